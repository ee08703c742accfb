// A paid download: many chunks on their way at once, each paid for, fetched and checked, handed over in order.

import type { Channel } from "./channel.js";
import { chunkCount, chunkSpan } from "./content.js";
import { PaidRequests, type DownloadState, type Exchange } from "./download-requests.js";
import { purchasesOf, type Purchase } from "./download-purchases.js";
import { ReadAhead, type Ends } from "./download-ahead.js";
import { MillstreamError, aborted, checkInteger, isMillstreamError } from "./errors.js";
import { fetchOffer, type Offer } from "./offer.js";
import { withSignal } from "./waits.js";
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

/** A quote that ends so soon is asked for anew before more is paid, in seconds. */
const RENEW_BEFORE = 60;

/** How many chunks may wait to be iterated beside those that are on their way. */
const MAX_WAITING = 4;
const MAX_PARALLEL = 64;
/** The most ticks that a voucher has. */
const MAX_TICKS = 255;

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
  options: DownloadOptions = {},
): AsyncGenerator<DownloadedChunk, void, undefined> {
  const { signal, have, onProgress, fetch = wallet.request } = options;
  const startChunk = checkInteger(options.startChunk ?? 0, "startChunk");
  const parallel = checkInteger(options.parallel ?? 8, "parallel", 1, MAX_PARALLEL);
  const account = { paid: 0n, received: 0, receivedBytes: 0 };
  let purchase: Purchase | undefined;
  const isFatal = (error: unknown) => !isMillstreamError(error) || FATAL.test(error.code);
  const ahead = new ReadAhead<DownloadedChunk>({ parallel, waiting: Math.min(parallel - 1, MAX_WAITING), isFatal });
  const stop = () => ahead.stop(signal ? aborted(signal, "the download") : undefined);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    if (signal?.aborted) throw aborted(signal, "the download");
    const report = (state: DownloadState, index: number, attempt: number) => {
      const { chunks, length } = offer;
      onProgress?.({ state, index, attempt, chunks, length, ...account, atRisk: purchase?.atRisk ?? 0n });
    };
    const purchases = purchasesOf(wallet);
    const requestsOf = (ends: Ends) => new PaidRequests(wallet, purchases, { ...options, fetch, ...ends }, report);
    const requests = requestsOf(ahead.ends);
    const { signal: ended } = ahead.ends;
    const early = requests.earlyManifest(url);
    let offer = await fetchOffer(url, wallet, { signal, fetch });
    const total = chunkCount(offer);
    const window = checkWindow(options.window ?? offer.price * BigInt(parallel), offer);
    const channel = await chooseChannel(wallet, offer, options, ended);
    const manifest = await requests.manifest(offer, early);
    const wanted = [...missing(startChunk, total, have)];
    let next = 0;
    /** How many chunks are not paid for. */
    let unpaid = wanted.length;

    const fetchChunk = async (bought: Purchase, index: number, ends: Ends): Promise<DownloadedChunk> => {
      const span = chunkSpan(bought.offer, index);
      let isPaid = false;
      const count = () => {
        if (!isPaid) unpaid -= 1;
        isPaid = true;
      };
      const exchange: Exchange = {
        offer: bought.offer,
        purchase: bought,
        index,
        span,
        window,
        ticks: () => Math.max(0, Math.min(MAX_TICKS, unpaid - 1)),
        onPaid: (amount) => {
          account.paid += amount;
          count();
        },
      };
      const answer = await requestsOf(ends).chunk(exchange, (received) => manifest.check(index, received));
      count();
      account.received += 1;
      account.receivedBytes += span.length;
      report("received", index, 1);
      const { bytes, amount, receipt, roundTripMs, payment } = answer;
      const { cumulativeAmount, serial, ticks, signMs } = payment;
      const { offset } = span;
      const { length } = bought.offer;
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
        if (endsSoon(offer)) {
          // What is on its way is paid for under the quote that it was asked for with.
          if (!ahead.isEmpty) break;
          offer = sameTerms(offer, await fetchOffer(url, wallet, { signal: ended, fetch }));
        }
        const current = purchases.of(channel, offer);
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

function checkWindow(window: unknown, { price }: Offer): bigint {
  if (typeof window === "bigint" && window >= price) return window;
  throw new MillstreamError(
    "INVALID_ARGUMENT",
    `window must be a bigint of at least the ${price} base units that a chunk costs`,
    { details: { field: "window" } },
  );
}

/** The channel that pays for an offer. One that waits for its seller's word after a restart is waited for. */
async function chooseChannel(
  wallet: Wallet,
  offer: Offer,
  { channel: given, stallTimeout = 30_000 }: DownloadOptions,
  signal: AbortSignal,
): Promise<Channel> {
  const isWith = ({ info }: Channel) =>
    info.role === "payer" && info.peer === offer.payee && info.asset === offer.asset;
  const fits = (channel: Channel) => isWith(channel) && channel.status === "open";
  const candidates = given ? [given] : wallet.channels();
  const waiting = candidates.filter((channel) => isWith(channel) && channel.status === "disconnected");
  if (waiting.length > 0 && !candidates.some(fits)) await reconnected(wallet, waiting, stallTimeout, signal);
  if (given) {
    if (fits(given)) return given;
    const { status, peer, asset } = given.info;
    throw new MillstreamError(
      "CHANNEL_REQUIRED",
      `channel ${given.id} cannot pay for ${offer.url}: it is ${status}, with ${peer}, in ${asset}; needed is an open ` +
        `one with ${offer.payee} in ${offer.asset}`,
      { details: { channelId: given.id } },
    );
  }
  const [best] = wallet
    .channels()
    .filter(fits)
    .sort((a, b) => (a.remaining < b.remaining ? 1 : -1));
  if (best) return best;
  throw new MillstreamError(
    "CHANNEL_REQUIRED",
    `there is no open channel with the seller of ${offer.url}: open one with wallet.openChannel({ seller: url, deposit }); ` +
      `all ${offer.chunks} chunks cost ${offer.total} base units of ${offer.asset}`,
  );
}

/** Resolves when one of the channels is open again, or after a while. @throws {MillstreamError} ABORTED */
async function reconnected(wallet: Wallet, channels: Channel[], ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let off = () => {};
  const changed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
    off = wallet.on("status", ({ channelId, status }) => {
      if (status === "open" && channels.some(({ id }) => id === channelId)) resolve();
    });
  });
  try {
    await withSignal(changed, signal, "the download");
  } finally {
    clearTimeout(timer);
    off();
  }
}

function endsSoon(offer: Offer): boolean {
  return offer.expiresAt - Date.now() / 1_000 < RENEW_BEFORE;
}

/** The renewed offer, if it is for the same thing at the same price. */
function sameTerms(offer: Offer, renewed: Offer): Offer {
  const fields = ["contentRoot", "length", "chunkSize", "price", "asset", "payee"] as const;
  const changed = fields.filter((field) => offer[field] !== renewed[field]);
  if (changed.length === 0) return renewed;
  throw new MillstreamError(
    "QUOTE_CHANGED",
    `the seller's new quote differs in ${changed.join(", ")}: start the download anew to accept it`,
  );
}

/** The error with what was paid and received, and in words where the core's are too few. */
function explain(
  error: unknown,
  account: { paid: bigint; received: number; receivedBytes: number },
  purchase: Purchase | undefined,
): unknown {
  if (!isMillstreamError(error)) return error;
  const details = { ...error.details, ...account, atRisk: purchase?.atRisk ?? 0n };
  let { message } = error;
  if (error.code === "INSUFFICIENT_BALANCE" && purchase) {
    const { remaining } = purchase.channel;
    const { price } = purchase.offer;
    const missing = price - remaining;
    message =
      `the channel is used up: the next chunk costs ${price} base units, ${remaining} are left, ${missing} are ` +
      `missing. Open another channel and go on with it: chunks that were received are not paid for again`;
    return new MillstreamError(error.code, message, { cause: error, details: { ...details, missing } });
  }
  if (account.paid > 0n && error.code !== "ABORTED")
    message += ` (paid ${account.paid} base units for ${account.received} chunks, ${details.atRisk} of it at risk)`;
  return new MillstreamError(error.code, message, { cause: error, details });
}
