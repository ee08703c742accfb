// How a seller answers over HTTP: statuses, headers, errors. Source: docs/protocol.md, Over HTTP.

import { fromBase64Url, toBase64, toBase64Url } from "./encoding.js";
import type { Contracts } from "./chain.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import type { ListedQuote, Listing } from "./listing.js";
import { WALLET_PATH } from "./peer-terms.js";
import type { Hex } from "./types.js";

/** The longest payment that is looked at, in characters: one has about 300, one of ticks alone about 100. */
export const MAX_PAYMENT_HEADER = 1_024;
/** The longest body of a request that is read, in bytes; a message has at most 16 KiB. */
export const MAX_REQUEST_BODY = 64 * 1024;

/** How long a browser may remember the answer to a preflight, in seconds. */
const PREFLIGHT_AGE = 7_200;

const COMMON: Readonly<Record<string, string>> = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers":
    "PAYMENT-REQUIRED, Payment-Receipt, Content-Range, Content-Length, Accept-Ranges, Retry-After, Link",
  "x-content-type-options": "nosniff",
};

/** A refusal whose status is not the usual one of its code. */
export class HttpError extends MillstreamError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, message);
    this.status = status;
    this.headers = headers;
  }
}

/** The refusal of a method; `allow`: those that there are. */
export function methodNotAllowed(allow: string): HttpError {
  return new HttpError(405, "METHOD_NOT_ALLOWED", `allowed here: ${allow}`, { allow });
}

/** The bytes of answers, for a server that can send them as they are. */
const bodies = new WeakMap<Response, Uint8Array>();

/** Any answer: what every one of them carries, and its own headers. Its bytes may not be changed any more. */
export function answer(
  status: number,
  body: Uint8Array | ReadableStream<Uint8Array> | string | null,
  headers: Readonly<Record<string, string>>,
): Response {
  const init = { status, headers: { ...COMMON, ...headers } };
  if (!(body instanceof Uint8Array)) return new Response(body, init);
  // A stream that is read when the answer is: of bytes themselves a copy would be made here.
  const response = new Response(streamOf(body), init);
  bodies.set(response, body);
  return response;
}

/** All of an answer's body, if it is there as one piece and nobody has begun to read it. */
export function wholeBody(response: Response): Uint8Array | undefined {
  return response.bodyUsed || response.body?.locked ? undefined : bodies.get(response);
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    controller.enqueue(bytes);
    controller.close();
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

/** What an error becomes on the wire: `{ "error": { "code", "message" } }`. */
export function errorAnswer(status: number, code: string, message: string, headers = {}): Response {
  return answer(status, JSON.stringify({ error: { code, message } }), {
    "content-type": "application/json",
    "cache-control": "no-store",
    ...headers,
  });
}

/** The answer to a preflight: anyone may ask, with the headers that a paid request has. */
export function preflightAnswer(methods: string): Response {
  return answer(204, null, {
    allow: methods,
    "access-control-allow-methods": methods,
    "access-control-allow-headers": "Content-Type, Payment, Payment-Receipt, Range",
    "access-control-max-age": String(PREFLIGHT_AGE),
  });
}

/** Several messages in one body: each with its length before it, as 32 bits, big endian. */
export function framesAnswer(messages: readonly Uint8Array[]): Response {
  const body = new Uint8Array(messages.reduce((total, message) => total + 4 + message.length, 0));
  let at = 0;
  for (const message of messages) {
    new DataView(body.buffer).setUint32(at, message.length);
    body.set(message, at + 4);
    at += 4 + message.length;
  }
  return answer(200, body, { "content-type": "application/octet-stream", "cache-control": "no-store" });
}

/** The answer to an error: a typed refusal as it is, anything else without what it says about this machine. */
export function refusal(error: unknown): Response {
  if (error instanceof HttpError) return errorAnswer(error.status, error.code, error.message, error.headers);
  if (!isMillstreamError(error)) return errorAnswer(500, "INTERNAL", "the seller failed; nothing was charged");
  if (error.code === "CONTENT_CHANGED") return errorAnswer(409, error.code, error.message);
  return errorAnswer(503, error.code, "the seller cannot answer this now; try again", { "retry-after": "1" });
}

/** What a 402 says: the terms, in the shape of x402 V2. */
export interface PaymentRequiredOptions {
  listing: Listing;
  quote: ListedQuote;
  /** The request's URL. */
  url: string;
  /** What is there. */
  mimeType: string;
  contracts: Contracts;
  /** The seller's channel key. */
  payee: Hex;
  /** Where the seller is paid out. */
  payTo: Hex;
  /** How long the quote holds, in seconds. */
  holds: number;
  code: string;
  message: string;
}

/** A 402: what to pay, and why this request was not served. */
export function paymentRequired(options: PaymentRequiredOptions): Response {
  const { listing, quote, url, mimeType, contracts, payee, payTo, holds, code, message } = options;
  const { chainId, adjudicator, streamApp } = contracts;
  const { path, chunks, unit, units, length, credit, folder, name } = listing;
  const terms = {
    x402Version: 2,
    error: message,
    resource: { url, mimeType, ...(name !== undefined && { description: name }) },
    accepts: [
      {
        scheme: "stream",
        network: `eip155:${chainId}`,
        asset: listing.asset,
        amount: String(listing.price),
        payTo,
        maxTimeoutSeconds: holds,
        extra: {
          quote: toBase64Url(quote.bytes),
          payee,
          adjudicator,
          streamApp,
          wallet: WALLET_PATH,
          manifest: `${path}?manifest`,
          ...(folder && { folder: path }),
          unit,
          units,
          chunks,
          length,
          credit: String(credit),
          ...(quote.hubs !== undefined && { hubs: quote.hubs }),
        },
      },
    ],
  };
  return errorAnswer(402, code, message, {
    "payment-required": toBase64(new TextEncoder().encode(JSON.stringify(terms))),
  });
}

/** The payment of a request: in its header, or in the query for those who cannot set headers, or not without a preflight. */
export function requestedPayment(request: Request, url: URL): string | undefined {
  return request.headers.get("payment") ?? url.searchParams.get("payment") ?? undefined;
}

/** What a request asks for: bytes of one chunk. */
export interface RequestedPart {
  readonly index: number;
  /** Of its first byte in the chunk. */
  readonly first: number;
  /** In bytes. */
  readonly length: number;
  /** What a 206 says about where it lies; missing for a 200. */
  readonly contentRange?: string;
}

/**
 * The chunk that a request asks for: the file of a folder that its path names, `?chunk=N`, or a `Range` header.
 *
 * @param file the file of a folder that the path names
 * @throws {HttpError} 404 CHUNK_UNKNOWN if there is no such chunk; 416 RANGE_NOT_A_CHUNK if it is not exactly one chunk,
 *   RANGE_UNSATISFIABLE if it is none of the file's
 */
export function requestedPart(listing: Listing, request: Request, url: URL, file?: number): RequestedPart {
  const range = request.headers.get("range");
  if (file !== undefined) return rangeOfFile(file, listing.span(file).length, range);
  const named = url.searchParams.get("chunk");
  if (named !== null || listing.folder) {
    const index = chunkNamed(listing, named ?? "");
    return { index, first: 0, length: listing.span(index).length };
  }
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(range ?? "") ?? [];
  const start = Number(first ?? NaN);
  const index = start / listing.chunkSize;
  if (Number.isInteger(index) && index < listing.chunks) {
    const { length } = listing.span(index);
    if (start + length - 1 === Number(last))
      return { index, first: 0, length, contentRange: `bytes ${first}-${last}/${listing.length}` };
  }
  throw new HttpError(
    416,
    "RANGE_NOT_A_CHUNK",
    `ask for one chunk: Range: bytes=FIRST-LAST with FIRST a multiple of ${listing.chunkSize} and LAST the chunk's end`,
    { "content-range": `bytes */${listing.length}` },
  );
}

/** A range of a whole file, as RFC 9110 has it: what is no single range of bytes is as if it were not there. */
function rangeOfFile(index: number, length: number, range: string | null): RequestedPart {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(range ?? "") ?? [];
  if (from === "" && to === "") return { index, first: 0, length };
  if (from !== "" && to !== "" && Number(to) < Number(from)) return { index, first: 0, length };
  const first = from === "" ? Math.max(0, length - Number(to)) : Number(from);
  const last = from === "" || to === "" ? length - 1 : Math.min(Number(to), length - 1);
  if (first >= length)
    throw new HttpError(416, "RANGE_UNSATISFIABLE", `the file has ${length} bytes`, {
      "content-range": `bytes */${length}`,
    });
  return { index, first, length: last - first + 1, contentRange: `bytes ${first}-${last}/${length}` };
}

function chunkNamed(listing: Listing, named: string): number {
  const index = /^\d{1,7}$/.test(named) ? Number(named) : Infinity;
  if (index < listing.chunks) return index;
  throw new HttpError(404, "CHUNK_UNKNOWN", `there are chunks 0 to ${listing.chunks - 1} here`);
}

/**
 * The bytes of a payment in a request: base64url, padded or not.
 *
 * @throws {HttpError} 402 PAYMENT_TOO_LARGE or PAYMENT_MALFORMED
 */
export function paymentBytes(text: string): Uint8Array {
  if (text.length > MAX_PAYMENT_HEADER)
    throw new HttpError(
      402,
      "PAYMENT_TOO_LARGE",
      `a payment has at most ${MAX_PAYMENT_HEADER} characters, this one has ${text.length}`,
    );
  const bytes = fromBase64Url(text);
  if (bytes) return bytes;
  throw new HttpError(402, "PAYMENT_MALFORMED", "the payment is not base64url");
}

/**
 * A request's body as one piece; `undefined` if it is longer than {@link MAX_REQUEST_BODY}.
 *
 * @throws whatever a broken connection throws
 */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > MAX_REQUEST_BODY) return undefined;
    parts.push(part);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The refusal of a body that is longer than {@link MAX_REQUEST_BODY}. The connection is of no use after it. */
export function bodyTooLarge(): HttpError {
  return new HttpError(413, "BODY_TOO_LARGE", `a request's body has at most ${MAX_REQUEST_BODY} bytes`, {
    connection: "close",
  });
}
