// The one error class of the package.

import type { SpendRefusal } from "./types.js";

/** Data that goes with some errors; which, is said where the code is documented. */
export interface MillstreamErrorDetails {
  /** The channel that the error is about. */
  channelId?: `0x${string}`;
  /** The transaction that failed, if it has a hash. */
  transactionHash?: `0x${string}`;
  /** What the contract returned with its revert, as hex. */
  revertData?: `0x${string}`;
  /** Signed messages for the peer whose message was refused: they say why. */
  reply?: readonly Uint8Array[];
  /** The other side's own error code, where it refused. */
  peerCode?: string;
  /** The HTTP status that came instead of what was expected. */
  status?: number;
  /** Whether the channel was given up, so that nothing was deposited and nothing can be lost. */
  aborted?: boolean;
  /** Which rule of the owner a payment is above, and by how much. */
  refusal?: SpendRefusal;
  /** The argument that is wrong. */
  field?: string;
}

/**
 * Every failure of this package.
 *
 * `code` is stable and the same in every language of the project (`"INSUFFICIENT_BALANCE"`); `message` says in words what
 * is wrong and, where there is something to do about it, what; `cause` is the error underneath, if there is one.
 */
export class MillstreamError extends Error {
  readonly code: string;
  readonly details: MillstreamErrorDetails;

  constructor(code: string, message: string, options: { cause?: unknown; details?: MillstreamErrorDetails } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "MillstreamError";
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Whether `error` is a {@link MillstreamError}, also one of another copy of this package. */
export function isMillstreamError(error: unknown): error is MillstreamError {
  return (
    error instanceof MillstreamError ||
    (error instanceof Error && error.name === "MillstreamError" && "code" in error && typeof error.code === "string")
  );
}

/** The error of an operation that its caller's AbortSignal ended. */
export function aborted(signal: AbortSignal, what: string): MillstreamError {
  return new MillstreamError("ABORTED", `${what} was aborted`, { cause: signal.reason });
}

/** A number from outside, checked: a safe integer of at least `min`. */
export function checkInteger(value: unknown, field: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new MillstreamError("INVALID_ARGUMENT", `${field} must be an integer between ${min} and ${max}`, {
    details: { field },
  });
}

/** Bytes as hex from outside, checked and in lower case; of exactly `length` bytes if that is given. */
export function checkHex(value: unknown, field: string, length?: number): `0x${string}` {
  if (typeof value === "string" && /^0x(?:[0-9a-f]{2})*$/i.test(value)) {
    if (length === undefined || value.length === 2 + 2 * length) return value.toLowerCase() as `0x${string}`;
  }
  const what = length === undefined ? "bytes" : `${length} bytes`;
  throw new MillstreamError("INVALID_HEX", `${field} must be ${what} in hex with a leading 0x`, { details: { field } });
}

/** A URL from outside, checked: absolute, of http or https. */
export function checkUrl(value: unknown, field: string): URL {
  try {
    const url = new URL(String(value));
    if (url.protocol === "https:" || url.protocol === "http:") return url;
  } catch {
    // Falls through: it is no such URL either way.
  }
  throw new MillstreamError("INVALID_ARGUMENT", `${field} must be an absolute http or https URL`, {
    details: { field },
  });
}
