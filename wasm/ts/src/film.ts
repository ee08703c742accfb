// The parts of a film that is paid by the second: fetched on the seller's credit, paid for when they are played.

import { isOutdated, offerIn, purchase } from "./buying.js";
import type { Channel } from "./channel.js";
import { PaidRequests } from "./download-requests.js";
import { MAX_TICKS, type Purchase } from "./download-purchases.js";
import { checkWindow } from "./download.js";
import { MillstreamError, aborted, isMillstreamError } from "./errors.js";
import type { Goods } from "./goods.js";
import type { LoadAnswer, LoadRequest } from "./hls-loader.js";
import { fetchOffer, type Offer } from "./offer.js";
import { purchasesOf } from "./purchases.js";
import { shelfOf } from "./shelf.js";
import { refused } from "./transport.js";
import { sleep, withSignal } from "./waits.js";
import type { Wallet } from "./wallet.js";

/** How the parts of a film are bought. */
export interface FilmOptions {
  /** The channel that pays. Default: the open one with the seller that has most left. */
  channel?: Channel | undefined;
  /** How much may be signed away for what has not arrived, in base units. Default: twice the dearest part. */
  window?: bigint | undefined;
  receipts?: "some" | "all" | undefined;
  /** How often a part is asked for before the seller counts as unreachable. Default 3. */
  tries?: number | undefined;
  /** How long to wait before the second try, in milliseconds; twice as long before each further one. Default 200. */
  retryDelay?: number | undefined;
  /** How long nothing may come before a try counts as failed, in milliseconds. Default 30,000. */
  stallTimeout?: number | undefined;
}

/** Who is told. */
export interface FilmListener {
  /** A part was asked for; it costs that much, in base units: 0 if it was bought before. */
  asked(amount: bigint): void;
  paid(amount: bigint, index: number | undefined): void;
}

/** The errors after which another channel may go on. */
const USED_UP = new Set(["INSUFFICIENT_BALANCE", "CHANNEL_NOT_OPEN", "CHANNEL_REQUIRED"]);

/** A film under a URL, whose playlists and other free parts are fetched as they are. */
export class Film {
  readonly url: string;
  readonly #wallet: Wallet;
  readonly #options: FilmOptions;
  readonly #listener: FilmListener;
  readonly #ended: AbortSignal;
  readonly #ready: Promise<void>;
  #goods: Goods | undefined;
  #purchase: Purchase | undefined;
  /** Those that were this film's: what was owed on them before is counted. */
  readonly #purchases = new Set<Purchase>();
  #isUntold = false;
  /** Whether another channel may have more. */
  #isUsedUp = false;

  /** @param ended aborted when nothing more is to be fetched */
  constructor(wallet: Wallet, url: string, options: FilmOptions, ended: AbortSignal, listener: FilmListener) {
    this.url = url;
    this.#wallet = wallet;
    this.#options = options;
    this.#listener = listener;
    this.#ended = ended;
    this.#ready = this.#prepare();
    this.#ready.catch(() => {});
  }

  /** Resolves when it is known what it costs; also if it costs nothing. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** What the seller asks, once it is known. */
  get offer(): Offer | undefined {
    return this.#goods?.offer;
  }

  /** What was fetched and is not paid, in base units. */
  get owed(): bigint {
    return this.#purchase?.owed ?? 0n;
  }

  /** What is signed away for parts that have not arrived, in base units. */
  get atRisk(): bigint {
    return this.#purchase?.atRisk ?? 0n;
  }

  /** Whether there are payments that the seller has not seen. */
  get isUntold(): boolean {
    return this.#isUntold;
  }

  /** Fetches a part, and pays for it what cannot wait. */
  async load(request: LoadRequest): Promise<LoadAnswer> {
    const { url, isMedia, signal } = request;
    // Its terms are needed for what is paid; a playlist need not wait for them.
    if (isMedia) await withSignal(this.#ready, signal, "loading");
    const shelf = shelfOf(this.#wallet);
    for (let again = false; ; again = true) {
      const known = shelf.find(url);
      const index = known?.index;
      if (!known || index === undefined || known.goods.cost(index) === 0n) {
        const answer = await this.#free(request);
        if (!("hash" in answer)) return answer;
        await this.#take(answer);
        if (!again && shelf.find(url)?.index !== undefined) continue;
        throw new MillstreamError("CONTENT_NOT_FOUND", `${url} is no file of the folder ${answer.url}`);
      }
      try {
        return await this.#paid(known.goods, index, request);
      } catch (error) {
        if (isMillstreamError(error) && USED_UP.has(error.code)) this.#isUsedUp = true;
        if (again || !isOutdated(error)) throw error;
        shelf.drop(known.goods);
      }
    }
  }

  /** Pays `amount` of what is owed. @throws {MillstreamError} as `channel.pay` */
  async settle(amount: bigint): Promise<void> {
    const current = this.#purchase;
    if (!current || amount === 0n) return;
    const onPaid = (part: bigint) => {
      this.#isUntold = true;
      this.#listener.paid(part, undefined);
    };
    await current.settle(amount, { onPaid, signal: new AbortController().signal });
  }

  /** Brings the seller what was paid since the last request. */
  async tell(): Promise<void> {
    const current = this.#purchase;
    if (!current || !this.#isUntold) return;
    this.#isUntold = false;
    try {
      await this.#requests(new AbortController().signal).tell(current);
    } catch (error) {
      this.#isUntold = true;
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    let offer: Offer;
    try {
      offer = await fetchOffer(this.url, this.#wallet, { signal: this.#ended });
    } catch (error) {
      if (isMillstreamError(error) && error.code === "OFFER_MISSING") return;
      throw error;
    }
    await this.#take(offer);
  }

  async #take(offer: Offer): Promise<void> {
    if (offer.chunkSize !== 0)
      throw new MillstreamError(
        "WATCH_UNSUPPORTED",
        `${offer.url} is one file, and a player that fetches it by itself cannot pay: the seller has to offer it as HLS in ` +
          `a folder; wallet.download() and wallet.fetch() can buy it as it is`,
      );
    const requests = this.#requests(this.#ended);
    this.#goods = await shelfOf(this.#wallet).take(offer, () => requests.goods(offer));
  }

  async #paid(goods: Goods, index: number, request: LoadRequest): Promise<LoadAnswer> {
    const { signal, range, onData } = request;
    const requests = this.#requests(signal);
    const bought = await this.#buys(goods, requests, signal);
    const { offer } = goods;
    const window = checkWindow(this.#options.window ?? goods.dearest * 2n, goods);
    const { bytes } = await requests.chunk({
      purchase: bought,
      index,
      window,
      // Only seconds can be paid one by one.
      credit: offer.unit === "second" ? offer.credit : 0n,
      // As many seconds as one signature can prepare.
      ticks: () => MAX_TICKS,
      onPaid: (amount) => this.#listener.paid(amount, index),
      onAsk: (amount) => {
        this.#isUntold = false;
        this.#listener.asked(amount);
      },
      onData,
    });
    return { url: request.url, status: range ? 206 : 200, bytes: range ? bytes.slice(...range) : bytes };
  }

  async #buys(goods: Goods, requests: PaidRequests, signal: AbortSignal): Promise<Purchase> {
    const before = this.#purchase;
    if (before?.offer.hash === goods.offer.hash && !this.#isUsedUp) return before;
    const current = await purchase(this.#wallet, goods, requests, { ...this.#options, signal });
    this.#isUsedUp = false;
    if (this.#purchase === current) return current;
    // What is owed for the same film under an older quote is owed for it still.
    if (before && before.channel === current.channel) current.takeOver(before);
    else if (!this.#purchases.has(current)) this.#listener.asked(current.owed);
    this.#purchases.add(current);
    return (this.#purchase = current);
  }

  /** What costs nothing, or what the seller asks for it. */
  async #free({ url, headers, range, signal, onData }: LoadRequest): Promise<LoadAnswer | Offer> {
    const { tries = 3, retryDelay = 200 } = this.#options;
    const ranged = range && { Range: `bytes=${range[0]}-${range[1] - 1}` };
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#wallet.request(url, { headers: { ...headers, ...ranged }, signal });
        const offer = offerIn(response, url, this.#wallet);
        if (offer) {
          void response.body?.cancel().catch(() => {});
          return offer;
        }
        const bytes = new Uint8Array(await response.arrayBuffer());
        const { status } = response;
        if (!response.ok) throw refused(status, bytes);
        onData(bytes.length);
        return { url: response.url || url, status, bytes: range && status !== 206 ? bytes.slice(...range) : bytes };
      } catch (error) {
        if (signal.aborted) throw aborted(signal, "loading");
        const { status = 0 } = isMillstreamError(error) ? error.details : {};
        const isFinal = isMillstreamError(error) && status < 500 && status !== 429;
        if (isFinal || attempt >= tries) throw unreachable(url, error);
      }
      await sleep(retryDelay * 2 ** (attempt - 1), signal, "loading");
    }
  }

  #requests(signal: AbortSignal): PaidRequests {
    const { request: fetch } = this.#wallet;
    const options = { tries: 3, ...this.#options, fetch, signal, halted: signal };
    return new PaidRequests(this.#wallet, purchasesOf(this.#wallet), options, () => {});
  }
}

function unreachable(url: string, error: unknown): MillstreamError {
  if (isMillstreamError(error)) return error;
  return new MillstreamError("SELLER_UNREACHABLE", `${url} cannot be loaded`, { cause: error });
}
