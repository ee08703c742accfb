// Messages to a seller's wallet: POST one, get frames back. Source: docs/protocol.md, Over HTTP.

import { readBody } from "./content.js";
import { withDeadline } from "./deadline.js";
import { MillstreamError, aborted } from "./errors.js";
import { clip, isObject } from "./rpc.js";

/** The most messages in one answer. */
export const MAX_FRAMES = 64;
/** The longest answer that is read, in bytes. */
export const MAX_ANSWER_BYTES = 64 * 1024;
/** How long a seller may take for an answer, in milliseconds. */
const ANSWER_TIMEOUT = 30_000;

/**
 * Reads the messages in an answer: each with its length before it, as 32 bits, big endian.
 *
 * @throws {MillstreamError} `SELLER_ANSWER_MALFORMED`
 */
export function readFrames(body: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < body.length;) {
    if (body.length - at < 4) throw malformed("it ends within a length");
    const length = view.getUint32(at);
    at += 4;
    if (length > body.length - at) throw malformed("it ends within a message");
    if (frames.length === MAX_FRAMES) throw malformed(`it has more than ${MAX_FRAMES} messages`);
    frames.push(body.slice(at, at + length));
    at += length;
  }
  return frames;
}

/**
 * Brings a message to a seller's wallet.
 *
 * @returns the seller's messages in answer
 * @throws {MillstreamError} `SELLER_UNREACHABLE` if there is no answer now: trying again may help; `SELLER_REFUSED` with
 *   `details.peerCode`; `SELLER_ANSWER_MALFORMED`; `ABORTED`
 */
export async function postMessage(
  url: string,
  message: Uint8Array,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  try {
    const { status, bytes, received } = await withDeadline(signal, ANSWER_TIMEOUT, async (deadline) => {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body: message as Uint8Array<ArrayBuffer>,
        signal: deadline,
        // No cookie of the seller's other pages belongs to a wallet.
        credentials: "omit",
        redirect: "error",
        cache: "no-store",
      });
      const body = await readBody(response.body, MAX_ANSWER_BYTES, { signal: deadline });
      return { status: response.status, ...body };
    });
    if (status >= 500 || status === 429) throw unreachable(url, `status ${status}`, { status });
    if (received > MAX_ANSWER_BYTES) throw malformed(`it is longer than ${MAX_ANSWER_BYTES} bytes`);
    if (status !== 200) throw refused(status, bytes);
    return readFrames(bytes);
  } catch (error) {
    if (signal.aborted) throw aborted(signal, "a message to the seller");
    if (error instanceof MillstreamError && error.code !== "ABORTED") throw error;
    throw unreachable(url, "no answer", {}, error);
  }
}

/** What a seller says that refuses a request: `{ "error": { "code", "message" } }`. */
export function refused(status: number, body: Uint8Array): MillstreamError {
  let peerCode = "UNKNOWN";
  let text = `status ${status}`;
  try {
    const answer: unknown = JSON.parse(new TextDecoder().decode(body));
    if (isObject(answer) && isObject(answer["error"])) {
      peerCode = checkCode(answer["error"]["code"]);
      text = clip(answer["error"]["message"]);
    }
  } catch {
    // Not JSON: the status says it all.
  }
  return new MillstreamError("SELLER_REFUSED", `the seller refuses: ${text} (${peerCode})`, {
    details: { peerCode, status },
  });
}

/** An error code that somebody else sent: in the form of ours, or "UNKNOWN". */
export function checkCode(code: unknown): string {
  return typeof code === "string" && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? code : "UNKNOWN";
}

function unreachable(url: string, what: string, details: { status?: number }, cause?: unknown): MillstreamError {
  return new MillstreamError("SELLER_UNREACHABLE", `the seller at ${url} cannot be reached: ${what}`, {
    details,
    ...(cause !== undefined && { cause }),
  });
}

function malformed(what: string): MillstreamError {
  return new MillstreamError("SELLER_ANSWER_MALFORMED", `the seller's answer cannot be read: ${what}`);
}
