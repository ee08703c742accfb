// The entry `millstream/server`: selling, and serving it with Node's http.

import type { IncomingMessage, ServerResponse } from "node:http";

import { checkInteger } from "./errors.js";
import { MAX_REQUEST_BODY, bodyTooLarge, collect, errorAnswer, refusal, wholeBody } from "./seller-http.js";

export { DEFAULT_CHUNK_SIZE, MAX_CHUNKS, MAX_CHUNK_SIZE } from "./content.js";
export { Hub, type HubOptions, type LinkOptions } from "./hub.js";
export { MAX_FOLDER_FILE, MAX_FOLDER_FILES } from "./folder.js";
export { Listing, type FolderListingTerms, type ListedContent, type ListingTerms } from "./listing.js";
export type { HubLink, HubTerms } from "./peer-terms.js";
export type { ClaimFilter, ClaimOptions, ClaimOutcome, SellerAccount } from "./seller-accounts.js";
export { Seller, type SellerOptions, type SellerTotals } from "./seller.js";

/** How answers are sent. */
export interface NodeHandlerOptions {
  /**
   * How long nothing of an answer may be sent or read before the connection is cut, in milliseconds. Default 120,000. What a
   * client paid for it can ask for again.
   */
  idleTimeout?: number | undefined;
}

/**
 * A listener for Node's `http.createServer` that answers with `handle`, for example that of a {@link Seller}.
 *
 * A request's body is read up to 64 KiB and refused above; an answer's body is streamed as fast as the client reads it.
 * `request.signal` ends when the client goes away. Failures of `handle` are answered with 500.
 */
export function nodeHandler(
  handle: (request: Request) => Promise<Response>,
  options: NodeHandlerOptions = {},
): (req: IncomingMessage, res: ServerResponse) => void {
  const idleTimeout = checkInteger(options.idleTimeout ?? 120_000, "idleTimeout", 1, 2 ** 31 - 1);
  return (req, res) => {
    const gone = new AbortController();
    res.once("close", () => {
      // Who has the whole answer has not gone away; ending costs more than everything else here.
      if (!res.writableFinished) gone.abort();
    });
    // A socket that breaks is no failure of ours: `close` follows.
    res.on("error", () => {});
    void respond(req, gone.signal)
      .catch(() => errorAnswer(500, "INTERNAL", "the server failed"))
      .then((response) => {
        // Who reads nothing must not hold an answer in memory for ever. Between requests, the server's own time counts.
        res.setTimeout(idleTimeout, () => res.destroy());
        return send(req, res, response, gone.signal);
      })
      .catch(() => res.destroy());

    async function respond(request: IncomingMessage, signal: AbortSignal): Promise<Response> {
      const body = await bodyOf(request);
      if (!body) return refusal(bodyTooLarge());
      const converted = toRequest(request, body, signal);
      return converted ? handle(converted) : errorAnswer(400, "BAD_REQUEST", "the request cannot be read");
    }
  };
}

/** The body of a request; `undefined` if it is too long. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  // Most have none, by the rules of HTTP: there is nothing to wait for.
  if (request.httpVersionMajor === 1 && length === undefined && encoding === undefined) return new Uint8Array(0);
  if (Number(length ?? 0) > MAX_REQUEST_BODY) return undefined;
  // Left unread rather than destroyed: the connection still has to carry the refusal.
  const parts: AsyncIterable<Uint8Array> = request.iterator({ destroyOnReturn: false });
  return collect(parts);
}

function toRequest(req: IncomingMessage, body: Uint8Array, signal: AbortSignal): Request | undefined {
  const headers = new Headers();
  const { method = "GET", url = "/", rawHeaders } = req;
  try {
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const name = rawHeaders[at] ?? "";
      // Names that HTTP/2 puts before the others are none in a Request.
      if (!name.startsWith(":")) headers.append(name, rawHeaders[at + 1] ?? "");
    }
    const encrypted = "encrypted" in req.socket;
    const origin = `${encrypted ? "https" : "http"}://${headers.get("host") ?? "localhost"}`;
    // A request line may also carry a whole URL, as proxies get it; what counts is its path.
    const { pathname, search } = new URL(url, origin);
    const hasBody = body.length > 0 && method !== "GET" && method !== "HEAD";
    return new Request(new URL(pathname + search, origin), {
      method,
      headers,
      signal,
      ...(hasBody && { body: body as Uint8Array<ArrayBuffer> }),
    });
  } catch {
    return undefined;
  }
}

async function send(req: IncomingMessage, res: ServerResponse, response: Response, gone: AbortSignal): Promise<void> {
  if (gone.aborted) return void (await response.body?.cancel());
  for (const [name, value] of response.headers) res.setHeader(name, value);
  res.writeHead(response.status);
  if (req.method === "HEAD" || !response.body) {
    await response.body?.cancel();
    res.end();
    return;
  }
  const whole = wholeBody(response);
  if (whole) return void res.end(whole);
  const reader = response.body.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  gone.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.aborted) break;
      if (!res.write(value)) await drained(res, gone);
    }
    res.end();
  } finally {
    gone.removeEventListener("abort", stop);
  }
}

function drained(res: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      res.off("drain", over);
      gone.removeEventListener("abort", over);
      resolve();
    };
    res.on("drain", over);
    gone.addEventListener("abort", over);
  });
}
