// A paid download: many chunks on their way at once, each paid for, fetched and checked, handed over in order.

import type { Channel } from "./channel.js";
import { chooseChannel } from "./channel-choice.js";
import { PaidRequests, type DownloadState, type Exchange } from "./download-requests.js";
import { MAX_TICKS, type Purchase } from "./download-purchases.js";
import { ReadAhead, type Ends } from "./download-ahead.js";
import { MillstreamError, aborted, checkInteger, isMillstreamError } from "./errors.js";
import type { Goods } from "./goods.js";
import { endsSoon, fetchOffer } from "./offer.js";
import { purchasesOf } from "./purchases.js";
import type { Wallet } from "./wallet.js";

declare module "./errors.js" {
  interface MillstreamErrorDetails {
    /** Downloads: what was signed away for chunks that did not arrive, in base units: at most the window. */
    atRisk?: bigint;
    /** Downloads: what this download paid, `atRisk` included, in base units. */
    paid?: bigint;
    /** Downloads: how many chunks this download received and checked. */
    received?: number;
    /** Downloads: how many bytes these are. */
    receivedBytes?: number;
    /** What a channel lacks, in base units. */
    missing?: bigint;
  }
}

/** How a download is done. */
export interface DownloadOptions {
  /** The channel that pays. Default: the open one with the seller that has most left. */
  channel?: Channel | undefined;
  /** The first chunk that is wanted. Default 0. */
  startChunk?: number | undefined;
  /** The chunk before which it ends. Default: the end of the content. */
  endChunk?: number | undefined;
  /** Chunks that are there already, and are left out. */
  have?: ReadonlySet<number> | undefined;
  /** How many chunks are asked for at once, 1 to 64. With 1, nothing is paid ahead of what is iterated. Default 8. */
  parallel?: number | undefined;
  /**
   * How much may be signed away for chunks that have not arrived, in base units: all that a seller which takes payment and
   * serves nothing can keep. At least one chunk's price. Default: the price of `parallel` chunks.
   */
  window?: bigint | undefined;
  /**
   * Which chunks a receipt is asked for. Unasked, a seller signs one for each voucher and for the chunk that completes the
   * content; with `"all"` for every chunk, at the price of a signature each. Default `"some"`.
   */
  receipts?: "some" | "all" | undefined;
  /** How often one chunk is asked for before the seller counts as unreachable. Default 5. */
  tries?: number | undefined;
  /** How long to wait before the second try, in milliseconds; twice as long before each further one. Default 200. */
  retryDelay?: number | undefined;
  /** How long nothing may come before a try counts as failed, in milliseconds. Default 30,000. */
  stallTimeout?: number | undefined;
  /** Default: the wallet's. */
  fetch?: typeof fetch | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** Where a download is. */
export interface DownloadProgress {
  state: DownloadState;
  /** The chunk that this is about. */
  index: number;
  /** Which try it is, from 1. */
  attempt: number;
  /** How many chunks the content has. */
  chunks: number;
  /** How many chunks were received in this download. */
  received: number;
  /** How many bytes were received in this download. */
  receivedBytes: number;
  /** Length of the content in bytes. */
  length: number;
  /** What was paid in this download, in base units. */
  paid: bigint;
  /** What is signed away for chunks that have not arrived, in base units. */
  atRisk: bigint;
}

/** A chunk that was paid for, received and checked. */
export interface DownloadedChunk {
  /** From 0. */
  readonly index: number;
  /** Of its first byte in the content. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** How many chunks the content has. */
  readonly total: number;
  /** Length of the content in bytes. */
  readonly length: number;
  /** What was paid for it, in base units; 0 if it had been paid for before. */
  readonly amount: bigint;
  /** All that was paid on the channel with the payment that was made for it, in base units. */
  readonly cumulativeAmount: bigint;
  /** Of the voucher of that payment. */
  readonly serial: number;
  /** How many ticks of the voucher it paid; 0 for the voucher itself. */
  readonly ticks: number;
  /** The seller's receipt for it, checked, if one came: bytes for `exportReceipts` and `readReceipt`. */
  readonly receipt: Uint8Array | undefined;
  /** How long signing the payment took, in milliseconds. */
  readonly signMs: number;
  /** From the request that brought it to its last byte, in milliseconds. */
  readonly roundTripMs: number;
}

/** What who calls knows already, and wants to know. */
export interface KnownGoods {
  readonly goods?: Goods | undefined;
  /** How many chunks may wait to be iterated beside those that are on their way. */
  readonly waiting?: number | undefined;
  /** Told the headers of every chunk's answer. */
  readonly onHeaders?: ((headers: Headers) => void) | undefined;
}

/** How many chunks may wait to be iterated beside those that are on their way. */
const MAX_WAITING = 4;
const MAX_PARALLEL = 64;

/** What ends a download at once: whatever else is on its way from this seller is worth nothing, or not wanted. */
const FATAL = /^(CONTENT_|SELLER_ANSWER_|ABORTED$)/;

/**
 * Downloads what is sold under a URL: chunks in order, `parallel` of them on their way at once, each paid for and checked.
 *
 * A lost answer costs nothing: the same payment is shown again until its chunk arrives, by this download, or, after it
 * ended, by the next one. Chunks that were paid for on the channel, also before a restart, are asked for without paying
 * again. Downloads may share a channel.
 *
 * Stopping the iteration stops the download; what was paid ahead brings its chunks in the next one.
 *
 * @throws {MillstreamError} with `details.paid`, `details.received` and `details.atRisk` as soon as something was paid:
 *   - CHANNEL_REQUIRED: there is no open channel with the seller, or the given one is with somebody else
 *   - CONTENT_MANIFEST_MISMATCH, CONTENT_CHUNK_MISMATCH (`details.index`), CONTENT_LENGTH: not what the quote says
 *   - INSUFFICIENT_BALANCE: the channel is used up (`details.missing` base units for the next chunk)
 *   - SELLER_UNREACHABLE: no answer after all tries
 *   - SELLER_REFUSED: the seller said no, `details.peerCode` says why (CONTENT_CHANGED, QUOTE_UNKNOWN ...)
 *   - SELLER_ANSWER_MALFORMED: an answer that makes no sense; QUOTE_CHANGED: the seller asks for something else meanwhile
 *   - ABORTED, INVALID_ARGUMENT; what the core and the store say about a payment; what `fetchOffer` throws
 */
export async function* download(
  wallet: Wallet,
  url: string | URL,
  options: DownloadOptions & KnownGoods = {},
): AsyncGenerator<DownloadedChunk, void, undefined> {
  const { signal, have, onProgress, fetch = wallet.request } = options;
  const startChunk = checkInteger(options.startChunk ?? 0, "startChunk");
  const endChunk = checkInteger(options.endChunk ?? Number.MAX_SAFE_INTEGER, "endChunk");
  const parallel = checkInteger(options.parallel ?? 8, "parallel", 1, MAX_PARALLEL);
  const account = { paid: 0n, received: 0, receivedBytes: 0 };
  let purchase: Purchase | undefined;
  const isFatal = (error: unknown) => !isMillstreamError(error) || FATAL.test(error.code);
  const ahead = new ReadAhead<DownloadedChunk>({
    parallel,
    waiting: Math.min(parallel - 1, options.waiting ?? MAX_WAITING),
    isFatal,
  });
  const stop = () => ahead.stop(signal ? aborted(signal, "the download") : undefined);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    if (signal?.aborted) throw aborted(signal, "the download");
    let total = 0;
    let length = 0;
    const report = (state: DownloadState, index: number, attempt: number) =>
      onProgress?.({ state, index, attempt, chunks: total, length, ...account, atRisk: purchase?.atRisk ?? 0n });
    const purchases = purchasesOf(wallet);
    const requestsOf = (ends: Ends) => new PaidRequests(wallet, purchases, { ...options, fetch, ...ends }, report);
    const requests = requestsOf(ahead.ends);
    const { signal: ended } = ahead.ends;
    const early = options.goods ? undefined : requests.earlyManifest(url);
    const offer = options.goods?.offer ?? (await fetchOffer(url, wallet, { signal, fetch }));
    if (offer.chunkSize === 0) throw isFolder(offer.url);
    ({ chunks: total, length } = offer);
    const channel = await chooseChannel(wallet, offer, options, ended);
    let goods = options.goods ?? (await requests.goods(offer, early));
    const window = checkWindow(options.window ?? goods.dearest * BigInt(parallel), goods);
    const wanted = [...missing(startChunk, Math.min(endChunk, total), have)];
    let next = 0;
    /** How many chunks are not paid for. */
    let unpaid = wanted.length;

    const fetchChunk = async (bought: Purchase, index: number, ends: Ends): Promise<DownloadedChunk> => {
      const { offset = 0, length: size } = bought.goods.place(index);
      let isPaid = false;
      const count = () => {
        if (!isPaid) unpaid -= 1;
        isPaid = true;
      };
      const exchange: Exchange = {
        purchase: bought,
        index,
        window,
        ticks: () => Math.max(0, Math.min(MAX_TICKS, unpaid - 1)),
        onPaid: (amount) => {
          account.paid += amount;
          count();
        },
      };
      const answer = await requestsOf(ends).chunk(exchange);
      count();
      account.received += 1;
      account.receivedBytes += size;
      report("received", index, 1);
      const { bytes, amount, headers, receipt, roundTripMs, payment } = answer;
      const { cumulativeAmount, serial, ticks, signMs } = payment;
      options.onHeaders?.(headers);
      return {
        index,
        offset,
        bytes,
        total,
        length,
        amount,
        cumulativeAmount,
        serial,
        ticks,
        receipt,
        signMs,
        roundTripMs,
      };
    };

    for (;;) {
      for (let index; (index = wanted[next]) !== undefined && ahead.hasRoom; next++) {
        if (endsSoon(goods.offer)) {
          // What is on its way is paid for under the quote that it was asked for with.
          if (!ahead.isEmpty) break;
          goods = goods.renewed(await fetchOffer(url, wallet, { signal: ended, fetch }));
        }
        const current = purchases.of(channel, goods);
        if (purchase && purchase !== current) current.takeOver(purchase);
        if (purchase !== current) await requests.learn((purchase = current));
        const chunk = index;
        ahead.push((ends) => fetchChunk(current, chunk, ends));
      }
      if (ahead.isEmpty) return ahead.end();
      yield await ahead.shift();
    }
  } catch (error) {
    throw explain(error, account, purchase);
  } finally {
    signal?.removeEventListener("abort", stop);
    ahead.stop();
  }
}

/** The chunks that are wanted and not there. */
function* missing(start: number, total: number, have: ReadonlySet<number> | undefined): Generator<number> {
  for (let index = start; index < total; index++) if (!have?.has(index)) yield index;
}

/** @throws {MillstreamError} INVALID_ARGUMENT if no chunk could be paid for */
export function checkWindow(window: unknown, { dearest }: Goods): bigint {
  if (typeof window === "bigint" && window >= dearest) return window;
  throw new MillstreamError(
    "INVALID_ARGUMENT",
    `window must be a bigint of at least the ${dearest} base units that a chunk costs`,
    { details: { field: "window" } },
  );
}

function isFolder(url: string): MillstreamError {
  return new MillstreamError(
    "INVALID_ARGUMENT",
    `${url} is a folder: fetch its files one by one with wallet.fetch(), or play it with wallet.watch()`,
    { details: { field: "url" } },
  );
}

/** What was paid and received. */
export interface BuyerAccount {
  paid: bigint;
  received: number;
  receivedBytes: number;
}

/** The error with what was paid and received. */
export function explain(error: unknown, account: BuyerAccount, purchase: Purchase | undefined): unknown {
  if (!isMillstreamError(error)) return error;
  const details = { ...error.details, ...account, atRisk: purchase?.atRisk ?? 0n };
  let { message } = error;
  if (account.paid > 0n && error.code !== "ABORTED" && error.code !== "INSUFFICIENT_BALANCE")
    message += ` (paid ${account.paid} base units for ${account.received} chunks, ${details.atRisk} of it at risk)`;
  return new MillstreamError(error.code, message, { cause: error, details });
}
