// What happens to a payment at a seller: it is taken once, and buys one chunk once.

import { decodePayment } from "./core.js";
import { isMillstreamError } from "./errors.js";
import type { QuoteBook } from "./listing-quotes.js";
import { PIECE_BYTES, type OpenedChunk } from "./listing-source.js";
import type { ListedQuote, Listing } from "./listing.js";
import { Openings, isOpening } from "./seller-openings.js";
import { isOver } from "./parts.js";
import { HttpError, paymentBytes } from "./seller-http.js";
import type { PaidWith, PaymentReceived } from "./payments.js";
import type { ChunkLedger, Purchase } from "./seller-ledger.js";
import type { Sold } from "./seller-receipt.js";
import type { Hex, PaymentFields, TakenIn } from "./types.js";
import { TEMPORARY } from "./wallet-http.js";
import type { Wallet } from "./wallet.js";

/** How many channels the till remembers. */
const MAX_ASSETS = 10_000;

/** A chunk that was sold. */
export interface Sale {
  readonly chunk: OpenedChunk;
  readonly sold: Sold;
  /** Whether the chunk was bought before, so that this cost nothing. */
  readonly isRepeat: boolean;
  /** Takes the purchase back: the chunk could not be delivered. */
  readonly undo: () => Promise<void>;
}

/** What a channel can spend at a seller, and what it bought of one content. */
export interface Statement {
  /** In base units. */
  readonly unspent: bigint;
  /** What was served ahead of payment, in base units. */
  readonly owed: bigint;
  /** First and last chunk of each run of chunks that was bought. */
  readonly bought: readonly number[];
}

/** Takes payments and sells chunks for them. */
export class Till {
  readonly #wallet: Wallet;
  readonly #quotes: QuoteBook;
  readonly #ledger: ChunkLedger;
  /** What the channels pay in that were looked at last, and are not over. */
  readonly #assets = new Map<Hex, Hex>();
  readonly #openings: Openings;
  /** Counts the changes of channels, so that nothing is remembered that was overtaken by one. */
  #changes = 0;

  constructor(wallet: Wallet, quotes: QuoteBook, ledger: ChunkLedger) {
    this.#wallet = wallet;
    this.#quotes = quotes;
    this.#ledger = ledger;
    this.#openings = new Openings(wallet);
    wallet.on("status", ({ channelId }) => {
      this.#assets.delete(channelId);
      this.#changes += 1;
    });
  }

  /**
   * Sells chunk `index` for a payment. When it resolves, payment and purchase are stored.
   *
   * @param text the payment as it came: base64url
   * @param signal the buyer does not wait any more
   * @throws {HttpError} 402 with the reason; and whatever reading the content or storing throws
   */
  async sell(listing: Listing, index: number, text: string, signal: AbortSignal): Promise<Sale> {
    const { payment, fields } = readPayment(text);
    const { channelId } = fields;
    // A voucher says what it is for: one that is for nothing here is not taken.
    if (fields.memo !== undefined && !this.#quotes.find(listing, fields.memo))
      await this.#quoteOf(channelId, listing, index, fields.memo);
    await this.#checkChannel(channelId, listing, signal);
    // Before anything is bought: nobody is charged for bytes that are not what the quote says. A chunk up to a piece is read
    // before the payment is taken, of a longer one only the first piece: anyone could ask for the rest with a forged payment. That is read between payment and
    // purchase, which are one write otherwise.
    const chunk = await listing.open(index);
    const price = listing.priceOf(index);
    const purchaseOn = (quote: ListedQuote): Purchase => {
      return { channelId, quote, index, price, credit: this.#credit(channelId, listing) };
    };
    const pay = (along?: PaidWith) => this.#receive(payment, along);
    const holding = this.#quotes.holding(listing);
    const order = (taken: TakenIn) => {
      const quote = holding.find(({ hash }) => hash === (fields.memo ?? taken.memo));
      return quote && purchaseOn(quote);
    };
    const { received, bought = undefined } =
      chunk.length > PIECE_BYTES ? { received: await pay() } : await this.#ledger.payAndBuy(channelId, order, pay);
    await chunk.check();
    const purchase = bought?.purchase ?? purchaseOn(await this.#quoteOf(channelId, listing, index, received.memo));
    const { quote } = purchase;
    const outcome = bought?.outcome ?? (await this.#ledger.buy(purchase, received).catch(refuseFull));
    if (outcome.bought === "no")
      throw new HttpError(
        402,
        "PAYMENT_INSUFFICIENT",
        outcome.unspent < 0n
          ? `chunk ${index} costs ${price} base units, and ${-outcome.unspent} are owed for others`
          : `chunk ${index} costs ${price} base units, ${outcome.unspent} are paid and not spent`,
      );
    return {
      chunk,
      sold: { channelId, quoteHash: quote.hash, index, chunks: listing.pricedChunks, bought: outcome.count, received },
      isRepeat: outcome.bought === "before",
      undo: () => this.#ledger.undo(purchase),
    };
  }

  /**
   * What a channel can spend, and what it bought on one quote of a listing. Whoever shows a payment of the channel may know.
   *
   * @throws {HttpError} 402 with the reason; and what storing throws
   */
  async statement(listing: Listing, quoteHash: string, text: string, signal: AbortSignal): Promise<Statement> {
    const { payment, fields } = readPayment(text);
    const { hash } = this.#quote(listing, quoteHash);
    await this.#checkChannel(fields.channelId, listing, signal);
    const received = await this.#receive(payment);
    return this.#ledger.statement(fields.channelId, hash, received);
  }

  /** What is served ahead of payment: what the channel can still pay, at most. */
  #credit(channelId: Hex, { credit }: Listing): bigint {
    if (credit === 0n) return 0n;
    const { remaining = 0n } = this.#wallet.channel(channelId)?.info ?? {};
    return remaining < credit ? remaining : credit;
  }

  #quote(listing: Listing, hash: string): ListedQuote {
    const quote = this.#quotes.find(listing, hash as Hex);
    if (quote) return quote;
    throw new HttpError(402, "QUOTE_UNKNOWN", "the payment names no quote that holds here: ask for one");
  }

  /**
   * The quote of a payment for a chunk. For one that was bought before, any payment of the channel says who asks: who has none
   * on the chunk's own quote any more need not make one.
   */
  async #quoteOf(channelId: Hex, listing: Listing, index: number, memo: Hex): Promise<ListedQuote> {
    const own = this.#quotes.find(listing, memo);
    if (own) return own;
    await this.#checkChannel(channelId, listing);
    for (const quote of this.#quotes.holding(listing))
      if (await this.#ledger.has(channelId, quote.hash, index)) return quote;
    return this.#quote(listing, memo);
  }

  /**
   * What the core cannot know: that the channel pays in what the listing costs, and that it is not over. With `signal`, one
   * that is being opened through hubs is waited for: its payer may pay before the seller has heard of the last step.
   */
  async #checkChannel(channelId: Hex, listing: Listing, signal?: AbortSignal): Promise<void> {
    if (this.#assets.get(channelId) === listing.asset) return;
    const changes = this.#changes;
    const info = await this.#wallet.infoOf(channelId);
    if (!info) throw new HttpError(402, "UNKNOWN_CHANNEL", `there is no channel ${channelId} with this seller`);
    if (info.asset !== listing.asset)
      throw new HttpError(402, "WRONG_ASSET", `the channel pays in ${info.asset}, the price is in ${listing.asset}`);
    if (signal && isOpening(info)) {
      await this.#openings.wait(channelId, signal);
      return this.#checkChannel(channelId, listing);
    }
    if (isOver(info.status)) throw new HttpError(402, "CHANNEL_NOT_OPEN", `the channel is ${info.status}`);
    if (changes !== this.#changes || isOpening(info)) return;
    if (this.#assets.size >= MAX_ASSETS) this.#assets.clear();
    this.#assets.set(channelId, info.asset);
  }

  async #receive(payment: Uint8Array, along?: PaidWith): Promise<PaymentReceived> {
    try {
      return await this.#wallet.receivePayment(payment, along);
    } catch (error) {
      if (!isMillstreamError(error) || TEMPORARY.has(error.code)) throw error;
      throw new HttpError(402, error.code, error.message);
    }
  }
}

/** A payment and what it says, unchecked: nothing may be done with it but to find what it is about. */
function readPayment(text: string): { payment: Uint8Array; fields: PaymentFields } {
  const payment = paymentBytes(text);
  try {
    return { payment, fields: decodePayment(payment) };
  } catch (error) {
    if (!isMillstreamError(error)) throw error;
    throw new HttpError(402, error.code, error.message);
  }
}

function refuseFull(error: unknown): never {
  if (!isMillstreamError(error) || error.code !== "LEDGER_FULL") throw error;
  throw new HttpError(402, error.code, error.message);
}
