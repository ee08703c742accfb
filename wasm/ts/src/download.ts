// A paid download: pay for a chunk, fetch it, check it, and only then pay for the next.

import type { Channel } from "./channel.js";
import { chunkCount, chunkSpan } from "./content.js";
import { PaidRequests, type DownloadState, type Exchange } from "./download-requests.js";
import { purchasesOf, type Purchase } from "./download-purchases.js";
import { MillstreamError, aborted, checkInteger, isMillstreamError } from "./errors.js";
import { fetchOffer, type Offer } from "./offer.js";
import type { Wallet } from "./wallet.js";

declare module "./errors.js" {
  interface MillstreamErrorDetails {
    /** Downloads: what was signed away for chunks that did not arrive, in base units: at most one chunk's price. */
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
  /** All that was paid on the channel with its payment, in base units. */
  readonly cumulativeAmount: bigint;
  /** Of the payment that bought it. */
  readonly serial: number;
  /** How long signing the payment took, in milliseconds. */
  readonly signMs: number;
  /** From the request that brought it to its last byte, in milliseconds. */
  readonly roundTripMs: number;
}

/** A quote that ends so soon is asked for anew before more is paid, in seconds. */
const RENEW_BEFORE = 60;

/**
 * Downloads what is sold under a URL, chunk by chunk, each checked before the next is paid for.
 *
 * A lost answer costs nothing: the same payment is shown again until its chunk arrives, by this download, or, after it
 * ended, by the next one of the same wallet, as long as the wallet is in memory. Chunks that were paid for on the channel
 * are asked for without paying again. Downloads that share a channel take turns, chunk by chunk.
 *
 * Stopping the iteration stops the download; nothing is paid ahead.
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
  const account = { paid: 0n, received: 0, receivedBytes: 0 };
  let purchase: Purchase | undefined;
  try {
    let offer = await fetchOffer(url, wallet, { signal, fetch });
    const total = chunkCount(offer);
    const channel = chooseChannel(wallet, offer, options.channel);
    const purchases = purchasesOf(wallet);
    const requests = new PaidRequests(purchases, { ...options, fetch }, (state, index, attempt) => {
      const { chunks, length } = offer;
      onProgress?.({ state, index, attempt, chunks, length, ...account });
    });
    const manifest = await requests.manifest(offer);
    for (let index = startChunk; index < total; index++) {
      if (have?.has(index)) continue;
      if (signal?.aborted) throw aborted(signal, "the download");
      if (!purchase?.pending && endsSoon(offer)) {
        const renewed = await fetchOffer(url, wallet, { signal, fetch });
        offer = sameTerms(offer, renewed);
      }
      purchase = purchases.of(channel, offer);
      const span = chunkSpan(offer, index);
      const exchange: Exchange = { offer, purchase, index, span, onPaid: (amount) => (account.paid += amount) };
      const { bytes, payment, amount, roundTripMs } = await requests.chunk(exchange, async (received) => {
        await manifest.check(index, received);
      });
      account.received += 1;
      account.receivedBytes += span.length;
      onProgress?.({ state: "received", index, attempt: 1, chunks: total, length: offer.length, ...account });
      const { cumulativeAmount, serial, signMs } = payment;
      const { offset } = span;
      yield {
        index,
        offset,
        bytes,
        total,
        length: offer.length,
        amount,
        cumulativeAmount,
        serial,
        signMs,
        roundTripMs,
      };
    }
  } catch (error) {
    throw explain(error, account, purchase);
  }
}

/** The channel that pays for an offer. */
function chooseChannel(wallet: Wallet, offer: Offer, given: Channel | undefined): Channel {
  const fits = ({ info }: Channel) =>
    info.role === "payer" && info.peer === offer.payee && info.asset === offer.asset && info.status === "open";
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
    const missing = purchase.price - remaining;
    message =
      `the channel is used up: the next chunk costs ${purchase.price} base units, ${remaining} are left, ${missing} are ` +
      `missing. Open another channel and go on with it: chunks that were received are not paid for again`;
    return new MillstreamError(error.code, message, { cause: error, details: { ...details, missing } });
  }
  if (account.paid > 0n && error.code !== "ABORTED")
    message += ` (paid ${account.paid} base units for ${account.received} chunks, ${details.atRisk} of it at risk)`;
  return new MillstreamError(error.code, message, { cause: error, details });
}
