// The paid requests of a download: which payment is shown for a chunk, and what is made of the answer.

import { toBase64Url } from "./encoding.js";
import type { PaymentHandle } from "./channel.js";
import { Manifest, chunkSpan, readBody, type ChunkSpan } from "./content.js";
import type { Pending, Purchase, Purchases } from "./download-purchases.js";
import { MillstreamError, aborted, checkInteger, isMillstreamError } from "./errors.js";
import type { Offer } from "./offer.js";
import { refused } from "./transport.js";
import { sleep } from "./turns.js";

/** What a download does with a chunk right now. */
export type DownloadState = "paying" | "fetching" | "retrying" | "received";

/** How requests are made; see `DownloadOptions`. */
export interface RequestOptions {
  tries?: number | undefined;
  retryDelay?: number | undefined;
  stallTimeout?: number | undefined;
  fetch: typeof fetch;
  signal?: AbortSignal | undefined;
}

/** One chunk to buy. */
export interface Exchange {
  readonly offer: Offer;
  readonly purchase: Purchase;
  readonly index: number;
  readonly span: ChunkSpan;
  /** Told when a payment was signed for it. */
  readonly onPaid: (amount: bigint) => void;
}

/** A chunk that arrived. */
export interface ChunkAnswer {
  readonly bytes: Uint8Array;
  /** The payment that was shown for it. */
  readonly payment: PaymentHandle;
  /** What it cost, in base units: 0 if it was bought before. */
  readonly amount: bigint;
  /** In milliseconds. */
  readonly roundTripMs: number;
}

/** What came of showing a payment: the chunk, or the seller's no. */
type Shown = { bytes: Uint8Array; roundTripMs: number } | { refusal: MillstreamError };

/** Nothing, or only a part, came back: the same request can be made again. */
class Lost extends Error {}

const MAX_RETRY_DELAY_MS = 5_000;
const MAX_ERROR_BYTES = 8 * 1024;

/** The seller has spent, or forgotten, the payment that was shown. */
const SPENT = new Set(["PAYMENT_INSUFFICIENT", "VOUCHER_STALE"]);

/** Makes the requests of one download. */
export class PaidRequests {
  readonly #purchases: Purchases;
  readonly #signal: AbortSignal | undefined;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly #tries: number;
  readonly #retryDelay: number;
  readonly #stallTimeout: number;
  readonly #report: (state: DownloadState, index: number, attempt: number) => void;

  constructor(
    purchases: Purchases,
    options: RequestOptions,
    report: (state: DownloadState, index: number, attempt: number) => void,
  ) {
    this.#purchases = purchases;
    this.#signal = options.signal;
    const { fetch: send } = options;
    this.#fetch = (url, init) => send(url, init);
    this.#tries = checkInteger(options.tries ?? 5, "tries", 1);
    this.#retryDelay = checkInteger(options.retryDelay ?? 200, "retryDelay");
    this.#stallTimeout = checkInteger(options.stallTimeout ?? 30_000, "stallTimeout", 1);
    this.#report = report;
  }

  /** The checked list of hashes of an offer's chunks. */
  manifest(offer: Offer): Promise<Manifest> {
    const onTry = () => {};
    return this.#untilAnswered("the list of hashes", onTry, async (watch) => {
      const response = await this.#fetch(offer.manifestUrl, { ...REQUEST, signal: watch.signal });
      watch.touch();
      if (response.status !== 200) throw await this.#refusal(response, watch);
      return Manifest.read(response, offer, offer.contentRoot, watch.signal);
    });
  }

  /** Buys one chunk, or asks for it again if it was bought. `check` throws if the bytes are not the chunk. */
  chunk(exchange: Exchange, check: (bytes: Uint8Array) => Promise<void>): Promise<ChunkAnswer> {
    const { purchase } = exchange;
    const buy = async () => {
      // The next payment contains every earlier one: the seller has to know those first, with what they were for.
      for (const other of this.#purchases.unsettledBeside(purchase)) await this.#settle(other);
      const { shown, payment, amount } = await this.#paid(exchange);
      if (purchase.pending) purchase.pending.taken = true;
      await check(shown.bytes);
      if (!purchase.isBought(exchange.index)) purchase.pending = undefined;
      purchase.setBought(exchange.index);
      return { ...shown, payment, amount };
    };
    return this.#purchases.turns.take(purchase.channel.id, buy, this.#signal);
  }

  /** Shows the payment that is there, if there is one that can bring the chunk, else pays. */
  async #paid(exchange: Exchange) {
    const { purchase, index } = exchange;
    const { payment, pending } = purchase;
    const bought = purchase.isBought(index);
    if (payment && (bought || pending)) {
      const shown = await this.#show(exchange, payment);
      if (!("refusal" in shown)) return { shown, payment, amount: bought ? 0n : payment.amount };
      if (!SPENT.has(shown.refusal.details.peerCode ?? "")) throw shown.refusal;
      if (bought) purchase.setForgotten(index);
      else if (pending && pending.index !== index) purchase.setBought(pending.index);
      else {
        // The seller took it and does not know for what: whether to pay for the chunk once more is the owner's decision.
        purchase.pending = undefined;
        throw shown.refusal;
      }
    }
    return this.#pay(exchange);
  }

  async #pay(exchange: Exchange) {
    const { purchase, index, offer, onPaid } = exchange;
    this.#report("paying", index, 1);
    const payment = await purchase.channel.pay(offer.price, { memo: offer.hash });
    purchase.payment = payment;
    purchase.pending = { index, taken: false };
    onPaid(payment.amount);
    const shown = await this.#show(exchange, payment);
    if ("refusal" in shown) throw shown.refusal;
    return { shown, payment, amount: payment.amount };
  }

  /** Brings an earlier payment to the seller. What it refuses for good is lost to the buyer. */
  async #settle(other: Purchase): Promise<void> {
    const { offer, payment, pending } = other;
    if (!payment || !pending) return;
    const { index } = pending;
    try {
      const shown = await this.#show({ offer, index, span: chunkSpan(offer, index) }, payment);
      settled(other, pending, "refusal" in shown);
    } catch (error) {
      const answered =
        isMillstreamError(error) && (error.code === "CONTENT_LENGTH" || error.code === "SELLER_ANSWER_MALFORMED");
      if (!answered) throw error;
      settled(other, pending, false);
    }
  }

  /** Asks for a chunk with a payment until there is an answer. */
  #show({ offer, index, span }: Pick<Exchange, "offer" | "index" | "span">, payment: PaymentHandle): Promise<Shown> {
    const last = span.offset + span.length - 1;
    const headers = { Range: `bytes=${span.offset}-${last}`, Payment: toBase64Url(payment.bytes) };
    const onTry = (attempt: number) => this.#report(attempt === 1 ? "fetching" : "retrying", index, attempt);
    return this.#untilAnswered(`chunk ${index}`, onTry, async (watch) => {
      const start = performance.now();
      const response = await this.#fetch(offer.url, { ...REQUEST, headers, signal: watch.signal });
      watch.touch();
      if (response.status !== 206) return { refusal: await this.#refusal(response, watch) };
      const range = response.headers.get("content-range");
      if (range !== `bytes ${span.offset}-${last}/${offer.length}`) {
        await response.body?.cancel();
        throw strange(`answered another range than that of chunk ${index}: ${range ?? "none"}`);
      }
      const { bytes, received } = await readBody(response.body, span.length, {
        signal: watch.signal,
        onData: () => watch.touch(),
      });
      if (received !== span.length)
        throw new MillstreamError(
          "CONTENT_LENGTH",
          `chunk ${index} came with ${received < span.length ? "fewer" : "more"} than its ${span.length} bytes`,
          { details: { index, expected: span.length, actual: received } },
        );
      return { bytes, roundTripMs: performance.now() - start };
    });
  }

  /** Runs `attempt` until it is not {@link Lost}, waiting longer each time. */
  async #untilAnswered<T>(
    what: string,
    onTry: (attempt: number) => void,
    attempt: (watch: Watch) => Promise<T>,
  ): Promise<T> {
    const signal = this.#signal;
    for (let number = 1; ; number++) {
      if (signal?.aborted) throw aborted(signal, "the download");
      onTry(number);
      const watch = new Watch(this.#stallTimeout, signal);
      try {
        return await attempt(watch);
      } catch (error) {
        if (signal?.aborted) throw aborted(signal, "the download");
        if (isMillstreamError(error) && error.code !== "ABORTED") throw error;
        if (number >= this.#tries)
          throw new MillstreamError(
            "SELLER_UNREACHABLE",
            `the seller did not answer for ${what} in ${this.#tries} tries: ${watch.stalled ?? words(error)}`,
            { cause: error },
          );
      } finally {
        watch.end();
      }
      await sleep(Math.min(this.#retryDelay * 2 ** (number - 1), MAX_RETRY_DELAY_MS), signal, "the download");
    }
  }

  /** Reads why a request was refused. @throws {Lost} if it was not: the seller has trouble of its own */
  async #refusal(response: Response, watch: Watch): Promise<MillstreamError> {
    const { status } = response;
    const temporary = status >= 500 || status === 408 || status === 429;
    if (!temporary && (status < 400 || status > 499)) {
      await response.body?.cancel();
      throw strange(`answered with status ${status || "of a redirection"}`);
    }
    const { bytes } = await readBody(response.body, MAX_ERROR_BYTES, { signal: watch.signal });
    const refusal = refused(status, bytes);
    if (temporary) throw new Lost(refusal.message);
    return refusal;
  }
}

/** What every request has in common: nothing of the page's goes along, and no payment follows a redirection. */
const REQUEST = {
  cache: "no-store",
  credentials: "omit",
  redirect: "manual",
  referrerPolicy: "no-referrer",
} as const satisfies RequestInit;

/** Ends a request when its caller does, or when nothing comes any more. */
class Watch {
  readonly #controller = new AbortController();
  readonly #timeout: number;
  readonly #caller: AbortSignal | undefined;
  readonly #stop = () => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout>;
  /** In words, if nothing came for too long. */
  stalled: string | undefined;

  constructor(timeout: number, caller: AbortSignal | undefined) {
    this.#timeout = timeout;
    this.#caller = caller;
    caller?.addEventListener("abort", this.#stop, { once: true });
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came. */
  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#stop);
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.stalled = `nothing came for ${this.#timeout} ms`;
      this.#controller.abort();
    }, this.#timeout);
  }
}

/** An earlier payment was answered: it is the seller's now, or it never will be what it was for. */
function settled(purchase: Purchase, pending: Pending, refusedForGood: boolean): void {
  pending.taken = true;
  if (refusedForGood && purchase.pending === pending) purchase.pending = undefined;
}

function strange(what: string): MillstreamError {
  return new MillstreamError("SELLER_ANSWER_MALFORMED", `the seller ${what}`);
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
