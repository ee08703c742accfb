// The paid requests of a download: which payment is shown for a chunk, and what is made of the answer.

import { areBounds } from "./chunk-ranges.js";
import { toBase64Url } from "./encoding.js";
import type { PaymentHandle } from "./channel.js";
import { chunkRequest, readChunk, strange } from "./chunk-request.js";
import { Manifest, readBody } from "./content.js";
import { EarlyManifest } from "./download-early.js";
import type { Purchase, Statement } from "./download-purchases.js";
import { receiptIn } from "./download-receipt.js";
import { MillstreamError, aborted, checkInteger, isMillstreamError } from "./errors.js";
import { FolderManifest } from "./folder.js";
import { Goods } from "./goods.js";
import type { Offer } from "./offer.js";
import { earlierPayment, type Purchases } from "./purchases.js";
import { isObject } from "./rpc.js";
import { refused } from "./transport.js";
import { sleep, withSignal } from "./waits.js";
import type { Wallet } from "./wallet.js";

/** What a download does with a chunk right now. */
export type DownloadState = "paying" | "fetching" | "retrying" | "received";

/** How requests are made; see `DownloadOptions`. */
export interface RequestOptions {
  receipts?: "some" | "all" | undefined;
  tries?: number | undefined;
  retryDelay?: number | undefined;
  stallTimeout?: number | undefined;
  fetch: typeof fetch;
  /** Ends everything. */
  signal: AbortSignal;
  /** Ends what waits to pay. */
  halted: AbortSignal;
}

/** One chunk to buy. */
export interface Exchange {
  readonly purchase: Purchase;
  readonly index: number;
  /** The most that may be signed away for chunks that have not arrived, in base units. */
  readonly window: bigint;
  /** How far payment may lag behind what was asked for, in base units; without it, the chunk is paid for first. */
  readonly credit?: bigint | undefined;
  /** For how many more chunks to prepare payments. */
  readonly ticks: () => number;
  /** Told when a payment was signed for it. */
  readonly onPaid: (amount: bigint) => void;
  /** Told what it costs before it is asked for, in base units: 0 if it was bought before. */
  readonly onAsk?: ((amount: bigint) => void) | undefined;
  /** Told how many bytes came, with every piece. */
  readonly onData?: ((received: number) => void) | undefined;
}

/** A chunk that arrived. */
export interface ChunkAnswer {
  readonly bytes: Uint8Array;
  /** Of the answer; nobody signed them. */
  readonly headers: Headers;
  /** The payment that was made or shown for it. */
  readonly payment: PaymentHandle;
  /** What it cost, in base units: 0 if it was bought before. */
  readonly amount: bigint;
  /** The seller's receipt for it, if one came. */
  readonly receipt: Uint8Array | undefined;
  /** In milliseconds. */
  readonly roundTripMs: number;
}

/** The seller's no to a payment. */
interface Refused {
  readonly refusal: MillstreamError;
  readonly payment: PaymentHandle;
}

/** What came of showing a payment: the chunk, or the seller's no. */
type Shown = Pick<ChunkAnswer, "bytes" | "headers" | "receipt" | "roundTripMs"> | Refused;

/** Nothing, or only a part, came back: the same request can be made again. */
class Lost extends Error {}

const MAX_RETRY_DELAY_MS = 5_000;
const MAX_ERROR_BYTES = 8 * 1024;
const MAX_STATEMENT_BYTES = 64 * 1024;

/** The seller has to be shown the voucher, too. */
const VOUCHER_WANTED = new Set(["VOUCHER_UNKNOWN", "VOUCHER_STALE"]);

/** How often what the seller and this wallet think of the money may differ for one chunk. */
const MAX_DISPUTES = 3;

/** Makes the requests of one download. */
export class PaidRequests {
  readonly #wallet: Wallet;
  readonly #purchases: Purchases;
  readonly #receipts: "some" | "all";
  readonly #signal: AbortSignal;
  readonly #halted: AbortSignal;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly #tries: number;
  readonly #retryDelay: number;
  readonly #stallTimeout: number;
  readonly #report: (state: DownloadState, index: number, attempt: number) => void;

  constructor(
    wallet: Wallet,
    purchases: Purchases,
    options: RequestOptions,
    report: (state: DownloadState, index: number, attempt: number) => void,
  ) {
    this.#wallet = wallet;
    this.#purchases = purchases;
    this.#receipts = options.receipts ?? "some";
    this.#signal = options.signal;
    this.#halted = options.halted;
    const { fetch: send } = options;
    this.#fetch = (url, init) => send(url, init);
    this.#tries = checkInteger(options.tries ?? 5, "tries", 1);
    this.#retryDelay = checkInteger(options.retryDelay ?? 200, "retryDelay");
    this.#stallTimeout = checkInteger(options.stallTimeout ?? 30_000, "stallTimeout", 1);
    this.#report = report;
  }

  /** Asks for the list of hashes of some content before there is an offer for it. */
  earlyManifest(content: string | URL): EarlyManifest {
    return new EarlyManifest(content, async (url) => this.#fetch(url, { ...REQUEST, signal: this.#signal }));
  }

  /** What an offer is for, with the checked list of its hashes. */
  goods(offer: Offer, early?: EarlyManifest): Promise<Goods> {
    return this.#untilAnswered("the list of hashes", async (watch) => {
      const { signal } = watch;
      const response =
        (early && (await withSignal(early.take(offer.manifestUrl), signal, "the download"))) ??
        (await this.#fetch(offer.manifestUrl, { ...REQUEST, signal }));
      watch.touch();
      if (response.status !== 200) throw await this.#refusal(response, watch);
      const manifest =
        offer.chunkSize === 0
          ? await FolderManifest.read(response, offer, signal)
          : await Manifest.read(response, offer, offer.contentRoot, signal);
      return new Goods(offer, manifest);
    });
  }

  /** Brings the seller the newest payment, without buying anything. */
  async tell({ offer, newest }: Purchase): Promise<void> {
    if (newest) await this.#statement(offer, newest.claim);
  }

  /** Asks the seller what was bought and is unspent from earlier times, unless this wallet knows. */
  learn(purchase: Purchase): Promise<void> {
    const { channel, offer } = purchase;
    return purchase.learn(async () => {
      const claim = this.#purchases.isComplete(channel) ? undefined : await channel.claim();
      if (!claim) return;
      const statement = await this.#statement(offer, claim);
      if (!statement) return;
      const { memo, ...payment } = earlierPayment(channel, claim);
      this.#purchases.takeBalance(purchase, statement);
      purchase.takeStatement(statement.bought, payment, memo === offer.hash);
    }, this.#signal);
  }

  /** Buys one chunk, or asks for it again if it was bought, and checks it. */
  async chunk(exchange: Exchange): Promise<ChunkAnswer> {
    const { purchase, index, window, credit, onPaid, onAsk } = exchange;
    const onPaying = () => this.#report("paying", index, 1);
    for (let disputes = 0; ; disputes++) {
      const ticks = exchange.ticks();
      const ticket = await purchase.ticket(index, { window, credit, ticks, signal: this.#halted, onPaying, onPaid });
      const { amount, payment } = ticket;
      onAsk?.(amount);
      try {
        const shown = await this.#show(exchange, payment);
        if (!("refusal" in shown)) {
          await purchase.goods.check(index, shown.bytes);
          purchase.setBought(index);
          return { ...shown, payment, amount };
        }
        const { refusal } = shown;
        const { peerCode } = refusal.details;
        // Both sides signed a new split in between: vouchers began anew. Or the seller wants to see one for just this.
        const isUnshowable =
          peerCode === "VOUCHER_WRONG_BASE_TURN" || (peerCode === "QUOTE_UNKNOWN" && purchase.isForeign(shown.payment));
        if (isUnshowable && disputes < MAX_DISPUTES) purchase.setUnshowable(shown.payment);
        // Somebody on the way was restarted before it handed on what opens the channel.
        else if (isNotOpenThere(peerCode, purchase) && disputes < MAX_DISPUTES) await purchase.channel.resume();
        else if (peerCode !== "PAYMENT_INSUFFICIENT") throw refusal;
        // The money may have bought a chunk whose answer was lost.
        else if (disputes < MAX_DISPUTES && !purchase.isBought(index)) await this.#reconcile(exchange, shown.payment);
        // It took the money and does not know for what: whether to pay once more is the owner's decision.
        else throw forgotten(exchange, refusal);
      } finally {
        if (ticket.isReserved) purchase.release(index);
        else purchase.giveUp(index, this.#signal.aborted ? "unwanted" : "lost");
      }
    }
  }

  /** The seller says that too little is paid: what was bought by its word is not paid for again. */
  async #reconcile({ purchase, index, credit }: Exchange, payment: PaymentHandle): Promise<void> {
    const { bought = [] } = (await this.#statement(purchase.offer, purchase.show(payment, true).bytes)) ?? {};
    if (bought.includes(index)) purchase.setBought(index);
    purchase.reconcile(bought);
    if (credit !== undefined) purchase.setNoCredit();
  }

  /** What the seller has noted about a channel, if it says. */
  #statement(offer: Offer, payment: Uint8Array): Promise<Statement | undefined> {
    const url = new URL(offer.url);
    url.searchParams.set("account", offer.hash);
    const headers = { Payment: toBase64Url(payment) };
    return this.#untilAnswered("what was bought", async (watch) => {
      const response = await this.#fetch(url.href, { ...REQUEST, headers, signal: watch.signal });
      watch.touch();
      if (response.status !== 200) return void (await this.#refusal(response, watch));
      const { bytes } = await readBody(response.body, MAX_STATEMENT_BYTES, { signal: watch.signal });
      return readStatement(bytes, offer);
    });
  }

  /** Asks for a chunk with the newest payment until there is an answer. */
  async #show({ index, purchase, onData }: Exchange, ticket: PaymentHandle): Promise<Shown> {
    const { offer, goods } = purchase;
    const place = goods.place(index);
    let whole = false;
    for (;;) {
      const onTry = (attempt: number) => this.#report(attempt === 1 ? "fetching" : "retrying", index, attempt);
      const ask = async (watch: Watch): Promise<Shown | "whole"> => {
        const start = performance.now();
        const { payment, bytes: proof, isWhole } = purchase.show(ticket, whole);
        const { url, headers, status } = chunkRequest(place, proof, this.#receipts === "all");
        const response = await this.#fetch(url, { ...REQUEST, headers, signal: watch.signal });
        watch.touch();
        if (response.status !== status) {
          const refusal = await this.#refusal(response, watch);
          const wanted = !isWhole && VOUCHER_WANTED.has(refusal.details.peerCode ?? "");
          return wanted ? "whole" : { refusal, payment };
        }
        purchase.setKnown(payment);
        const onBytes = (received: number) => {
          watch.touch();
          onData?.(received);
        };
        const { signal } = watch;
        const bytes = await readChunk(response, { index, place, total: offer.length }, { signal, onData: onBytes });
        const { hash: quote, payee: seller } = offer;
        const { wallet, channelId } = { wallet: this.#wallet, channelId: purchase.channel.id };
        const { headers: answered } = response;
        const receipt = receiptIn(answered, { wallet, seller, channelId, quote, index });
        if (receipt)
          wallet.received({ channelId, origin: new URL(place.url).origin, url: place.url, index, quote, receipt });
        return { bytes, headers: answered, receipt, roundTripMs: performance.now() - start };
      };
      const shown = await this.#untilAnswered(`chunk ${index}`, ask, onTry);
      if (shown !== "whole") return shown;
      whole = true;
    }
  }

  /** Runs `attempt` until it is not {@link Lost}, waiting longer each time. */
  async #untilAnswered<T>(
    what: string,
    attempt: (watch: Watch) => Promise<T>,
    onTry: (attempt: number) => void = () => {},
  ): Promise<T> {
    const signal = this.#signal;
    for (let number = 1; ; number++) {
      if (signal.aborted) throw aborted(signal, "the download");
      onTry(number);
      const watch = new Watch(this.#stallTimeout, signal);
      try {
        return await attempt(watch);
      } catch (error) {
        if (signal.aborted) throw aborted(signal, "the download");
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
  readonly #caller: AbortSignal;
  readonly #stop = () => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout>;
  /** When something came last. */
  #last = performance.now();
  /** In words, if nothing came for too long. */
  stalled: string | undefined;

  constructor(timeout: number, caller: AbortSignal) {
    this.#timeout = timeout;
    this.#caller = caller;
    caller.addEventListener("abort", this.#stop, { once: true });
    this.#timer = this.#start(timeout);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came. */
  touch(): void {
    // A timer for each piece would cost more than what is done with it.
    this.#last = performance.now();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener("abort", this.#stop);
  }

  #start(wait: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const left = this.#last + this.#timeout - performance.now();
      if (left > 0) this.#timer = this.#start(Math.ceil(left));
      else {
        this.stalled = `nothing came for ${this.#timeout} ms`;
        this.#controller.abort();
      }
    }, wait);
  }
}

/** Reads what a seller says of an account: `{ "unspent": "…", "owed": "…", "bought": [first, last, …] }`. */
function readStatement(bytes: Uint8Array, { chunks }: Offer): Statement {
  let statement: unknown;
  try {
    statement = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw strange("answered what is no statement of an account");
  }
  const { unspent, owed = "0", bought: bounds } = isObject(statement) ? statement : {};
  if (!isAmount(unspent) || !isAmount(owed) || !areBounds(bounds, chunks))
    throw strange("answered what is no statement of an account");
  const bought: number[] = [];
  for (let at = 0; at < bounds.length; at += 2)
    for (let index = bounds[at] ?? 0; index <= (bounds[at + 1] ?? -1); index++) bought.push(index);
  return { unspent: BigInt(unspent), owed: BigInt(owed), bought };
}

function isAmount(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,39}$/.test(value);
}

function forgotten({ purchase, index }: Exchange, refusal: MillstreamError): MillstreamError {
  purchase.setForgotten(index);
  return refusal;
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether a channel through hubs is open here and not there. */
function isNotOpenThere(peerCode: string | undefined, { channel }: Purchase): boolean {
  return peerCode === "CHANNEL_NOT_OPEN" && channel.info.hubs !== undefined && channel.status === "open";
}
