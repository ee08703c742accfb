// A fetch that pays: the request as it is, and, where the answer asks this wallet for payment, a paid and verified one.

import { isOutdated, offerIn, purchase } from "./buying.js";
import type { Channel } from "./channel.js";
import { openAhead } from "./channel-choice.js";
import { PaidRequests } from "./download-requests.js";
import { checkWindow, download, explain, type DownloadProgress, type DownloadedChunk } from "./download.js";
import { MillstreamError, checkInteger } from "./errors.js";
import type { Goods } from "./goods.js";
import { purchasesOf } from "./purchases.js";
import { shelfOf, type Found } from "./shelf.js";
import { withSignal } from "./waits.js";
import type { Wallet } from "./wallet.js";

/** How a paid fetch is done; what these mean is said at {@link DownloadOptions}. */
export interface FetchOptions {
  /** The channel that pays. Default: the open one with the seller that has most left. */
  channel?: Channel | undefined;
  /** How many chunks of a file are asked for at once. Default 8. */
  parallel?: number | undefined;
  /** How much may be signed away for what has not arrived, in base units. Default: the price of `parallel` chunks. */
  window?: bigint | undefined;
  receipts?: "some" | "all" | undefined;
  tries?: number | undefined;
  retryDelay?: number | undefined;
  stallTimeout?: number | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** A `fetch`, whatever that is in its environment, with options of its own. */
export type PaidFetch = typeof globalThis.fetch &
  ((input: RequestInfo | URL, init?: RequestInit, options?: FetchOptions) => Promise<Response>);

/** A part of some content: first and last byte. */
interface Part {
  readonly first: number;
  readonly last: number;
}

/** What of the seller's headers an answer has. */
const KEPT = ["content-type", "content-language", "content-disposition", "cache-control", "etag", "last-modified"];

/** See {@link Wallet.fetch}. */
export async function paidFetch(
  wallet: Wallet,
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  options: FetchOptions = {},
): Promise<Response> {
  const asked = input instanceof Request ? input : undefined;
  const method = (init?.method ?? asked?.method ?? "GET").toUpperCase();
  // Nothing but a GET brings what is sold.
  if (method === "HEAD") return wallet.request(input, init);
  if (method !== "GET") return unpaid(wallet, input, init, method);
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  const url = new URL(asked?.url ?? String(input), base).href;
  const signal = init?.signal ?? asked?.signal;
  const range = new Headers(init?.headers ?? asked?.headers).get("range");
  const shelf = shelfOf(wallet);
  for (let again = false; ; again = true) {
    const known = shelf.find(url);
    const found = known ?? (await ask(wallet, input, init, url, options));
    if (found instanceof Response) return found;
    const { goods, index } = found;
    if (index !== undefined && goods.cost(index) === 0n) return wallet.request(input, init);
    const length = index === undefined ? goods.offer.length : goods.place(index).length;
    const part = range === null ? undefined : partOf(range, length);
    if (part === "outside")
      return new Response(null, { status: 416, headers: { "content-range": `bytes */${length}` } });
    try {
      const answer =
        index === undefined
          ? await fetchFile(wallet, goods, part, signal, options)
          : await fetchEntry(wallet, goods, index, part, signal, options);
      return Object.defineProperty(answer, "url", { value: url });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      // What is sold there was changed since its terms were read.
      shelf.drop(goods);
      if (again || !known || !isOutdated(error)) throw error;
    }
  }
}

/** A request that nothing can be bought with. */
async function unpaid(
  wallet: Wallet,
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  method: string,
): Promise<Response> {
  const response = await wallet.request(input, init);
  const url = input instanceof Request ? input.url : String(input);
  if (!offerIn(response, url, wallet)) return response;
  await response.body?.cancel();
  throw new MillstreamError(
    "METHOD_NOT_PAYABLE",
    `${url} asks for payment, and a ${method} cannot be paid: only what is fetched with GET is sold by the chunk`,
    { details: { field: "method" } },
  );
}

/** Makes the request as it is. @returns its answer, or what it offers for sale */
async function ask(
  wallet: Wallet,
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  url: string,
  options: FetchOptions,
): Promise<Response | Found> {
  const response = await wallet.request(input, init);
  const offer = offerIn(response, url, wallet);
  if (!offer) return response;
  void response.body?.cancel().catch(() => {});
  if (!options.channel) openAhead(wallet, offer);
  const signal = init?.signal ?? undefined;
  // Others may wait for the same list: it is not given up with this request.
  const requests = requestsOf(wallet, new AbortController().signal, options);
  const loading = shelfOf(wallet).take(offer, () => requests.goods(offer));
  const goods = await withSignal(loading, signal, "the request").catch((error: unknown) => {
    throw signal?.aborted ? signal.reason : error;
  });
  const index = goods.find(url);
  if (!goods.folder || index !== undefined) return { goods, index };
  throw new MillstreamError(
    "CONTENT_NOT_FOUND",
    `${url} is no file of the folder ${goods.offer.url}: fetch one of those that its list names`,
  );
}

/** A file, as a stream of the chunks that are wanted: what is not read is not paid for, but for those on their way. */
async function fetchFile(
  wallet: Wallet,
  goods: Goods,
  part: Part | undefined,
  signal: AbortSignal | null | undefined,
  options: FetchOptions,
): Promise<Response> {
  const { offer } = goods;
  const { first, last } = part ?? { first: 0, last: offer.length - 1 };
  const startChunk = Math.floor(first / offer.chunkSize);
  const endChunk = Math.floor(last / offer.chunkSize) + 1;
  const ended = new AbortController();
  const end = () => ended.abort(signal?.reason);
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end, { once: true });
  const over = () => signal?.removeEventListener("abort", end);
  let answered: Headers | undefined;
  const chunks = download(wallet, offer.url, {
    ...options,
    goods,
    startChunk,
    endChunk,
    waiting: 0,
    signal: ended.signal,
    onHeaders: (headers) => (answered ??= headers),
  });
  const next = async () => {
    try {
      const { value } = await chunks.next();
      if (!value) throw new Error("the download ended early");
      return value;
    } catch (error) {
      over();
      throw signal?.aborted ? signal.reason : error;
    }
  };
  let waiting: DownloadedChunk | undefined = await next();
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => ended.signal.addEventListener("abort", () => controller.error(ended.signal.reason)),
      async pull(controller) {
        const { index, offset, bytes } = waiting ?? (await next());
        waiting = undefined;
        controller.enqueue(bytes.subarray(Math.max(0, first - offset), last + 1 - offset));
        if (index < endChunk - 1) return;
        over();
        await chunks.return();
        controller.close();
      },
      async cancel(reason) {
        over();
        ended.abort(reason);
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
  return answer(body, answered, part, offer.length);
}

/** A file of a folder: it is checked as a whole, and paid for as a whole. */
async function fetchEntry(
  wallet: Wallet,
  goods: Goods,
  index: number,
  part: Part | undefined,
  signal: AbortSignal | null | undefined,
  options: FetchOptions,
): Promise<Response> {
  const ended = signal ?? new AbortController().signal;
  const account = { paid: 0n, received: 0, receivedBytes: 0 };
  const { length } = goods.place(index);
  const requests = requestsOf(wallet, ended, options, (state, _, attempt) =>
    options.onProgress?.({ state, index, attempt, chunks: 1, length, ...account, atRisk: bought?.atRisk ?? 0n }),
  );
  const parallel = checkInteger(options.parallel ?? 8, "parallel", 1);
  const window = checkWindow(options.window ?? goods.dearest * BigInt(parallel), goods);
  const bought = await purchase(wallet, goods, requests, { ...options, signal: ended });
  try {
    const { bytes, headers } = await requests.chunk({
      purchase: bought,
      index,
      window,
      ticks: () => 0,
      onPaid: (amount) => (account.paid += amount),
    });
    account.received = 1;
    account.receivedBytes = length;
    options.onProgress?.({
      state: "received",
      index,
      attempt: 1,
      chunks: 1,
      length,
      ...account,
      atRisk: bought.atRisk,
    });
    return answer(part ? bytes.slice(part.first, part.last + 1) : bytes, headers, part, length);
  } catch (error) {
    throw explain(error, account, bought);
  }
}

function requestsOf(
  wallet: Wallet,
  signal: AbortSignal,
  options: FetchOptions,
  report: ConstructorParameters<typeof PaidRequests>[3] = () => {},
): PaidRequests {
  const { request: fetch } = wallet;
  return new PaidRequests(wallet, purchasesOf(wallet), { ...options, fetch, signal, halted: signal }, report);
}

/** What a server would answer. */
function answer(
  body: ReadableStream<Uint8Array> | Uint8Array,
  seller: Headers | undefined,
  part: Part | undefined,
  length: number,
): Response {
  const headers = new Headers({ "accept-ranges": "bytes" });
  for (const name of KEPT) {
    const value = seller?.get(name);
    if (value != null) headers.set(name, value);
  }
  const { first, last } = part ?? { first: 0, last: length - 1 };
  headers.set("content-length", String(last - first + 1));
  if (part) headers.set("content-range", `bytes ${first}-${last}/${length}`);
  return new Response(body as BodyInit, { status: part ? 206 : 200, headers });
}

/**
 * The part that a `Range` header names.
 *
 * @throws {MillstreamError} INVALID_ARGUMENT if it is not one range of bytes: a server would send everything instead, which
 *   nobody asked to pay for
 */
function partOf(range: string, length: number): Part | "outside" {
  const [, start, end] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(range.trim()) ?? [];
  if (start === undefined || end === undefined || start + end === "" || (start !== "" && end !== "" && +end < +start))
    throw new MillstreamError(
      "INVALID_ARGUMENT",
      `the Range "${range}" is not one range of bytes, as in "bytes=0-499"`,
      {
        details: { field: "Range" },
      },
    );
  const first = start === "" ? Math.max(0, length - Number(end)) : Number(start);
  const last = start === "" || end === "" ? length - 1 : Math.min(Number(end), length - 1);
  return first < length && first <= last ? { first, last } : "outside";
}
