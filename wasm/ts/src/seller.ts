// A seller of content: lists it, asks for payment, and serves each chunk that is paid for.

import type { Chain } from "./chain.js";
import { decodePayment } from "./core.js";
import { now } from "./driver.js";
import { MillstreamError, checkInteger, isMillstreamError } from "./errors.js";
import { QuoteBook } from "./listing-quotes.js";
import { Listing, listingPath, type ListedContent, type ListedQuote, type ListingTerms } from "./listing.js";
import {
  HttpError,
  WALLET_PATH,
  answer,
  bodyTooLarge,
  collect,
  framesAnswer,
  paymentBytes,
  paymentRequired,
  preflightAnswer,
  refusal,
  requestedChunk,
} from "./seller-http.js";
import { ChunkLedger, type Account } from "./seller-ledger.js";
import type { Store } from "./store.js";
import type { Hex, Policy } from "./types.js";
import { Wallet } from "./wallet.js";

/** What a seller is made of. */
export interface SellerOptions {
  chain: Chain;
  /** Where the best payment of every channel is kept. In memory without one: then a crash loses what was earned. */
  store?: Store | undefined;
  /** The channel key, 32 bytes. Generated if missing; give one if the store outlives the process. */
  secret?: Uint8Array | undefined;
  /** The address that is paid out to. Default: the chain's account. */
  destination?: Hex | undefined;
  policy?: Partial<Policy> | undefined;
  /** The time to answer a challenge that is asked of a channel, in seconds. Default 3,600. */
  challengeDuration?: number | undefined;
  /** How many blocks deep a deposit must be. Default 2. */
  confirmations?: number | undefined;
  /** How long a quote holds, in seconds; it is signed anew after half of that. Default a day. */
  quoteLifetime?: number | undefined;
  /** How often the chain is asked for news, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
}

/** What a seller did since it was opened. */
export interface SellerTotals {
  /** Payments that brought something new. */
  payments: number;
  /** Chunks that were paid for and served. */
  chunks: number;
  /** Chunks that were served again, free. */
  repeats: number;
  /** Bytes of content handed out, repeats included. */
  bytes: number;
}

const METHODS = "GET, HEAD, OPTIONS";
const WALLET_METHODS = "POST, OPTIONS";

const DEFAULT_CHALLENGE_DURATION = 3_600;
const DEFAULT_CONFIRMATIONS = 2;
const DEFAULT_QUOTE_LIFETIME = 24 * 3_600;

const NO_MEMO: Hex = `0x${"0".repeat(64)}`;

/** Why a payment was not taken although nothing is wrong with it: the same one can be sent again. */
const TEMPORARY = new Set(["CHANNEL_LOADING", "STORE_CONFLICT", "STORE_FAILED", "WALLET_STOPPED", "CORE_TRAPPED"]);

/**
 * Sells content by the chunk.
 *
 * The chunk ledger is in memory: after a restart, chunks paid before are not served again free, except that the last
 * payment of a channel, whose chunk may have been lost with the old process, is worth one chunk once more.
 */
export class Seller {
  /** The payee of every channel. It answers stale closes by itself while it runs. */
  readonly wallet: Wallet;
  readonly #quotes: QuoteBook;
  readonly #listings = new Map<string, Listing>();
  readonly #ledger = new ChunkLedger();
  /** The channels that were opened, or heard of, since the start. */
  readonly #heard = new Set<Hex>();
  readonly #totals: SellerTotals = { payments: 0, chunks: 0, repeats: 0, bytes: 0 };
  #sweptStep: number;

  private constructor(wallet: Wallet, quotes: QuoteBook) {
    this.wallet = wallet;
    this.#quotes = quotes;
    this.#sweptStep = quotes.step;
    wallet.on("status", ({ channelId, status }) => {
      if (status === "signed") this.#heard.add(channelId);
      if (status !== "closed" && status !== "aborted") return;
      this.#ledger.dropChannel(channelId);
      this.#heard.delete(channelId);
    });
  }

  /**
   * Opens the seller's wallet.
   *
   * @throws {MillstreamError} INVALID_ARGUMENT with `details.field` if the terms contradict the policy; and what
   *   `Wallet.open` throws
   */
  static async open(options: SellerOptions): Promise<Seller> {
    const { policy = {}, chain, store, secret, destination, pollInterval } = options;
    const challengeDuration = checkInteger(
      options.challengeDuration ?? DEFAULT_CHALLENGE_DURATION,
      "challengeDuration",
    );
    const confirmations = checkInteger(options.confirmations ?? DEFAULT_CONFIRMATIONS, "confirmations", 1);
    const lifetime = checkInteger(options.quoteLifetime ?? DEFAULT_QUOTE_LIFETIME, "quoteLifetime", 2);
    atLeast("challengeDuration", challengeDuration, "minChallengeDuration", policy, DEFAULT_CHALLENGE_DURATION);
    atLeast("confirmations", confirmations, "minConfirmations", policy, DEFAULT_CONFIRMATIONS);
    const wallet = await Wallet.open({
      chain,
      store,
      secret,
      destination,
      pollInterval,
      // What the quotes ask for is what is accepted.
      policy: { ...policy, minChallengeDuration: challengeDuration, minConfirmations: confirmations },
    });
    return new Seller(wallet, new QuoteBook(wallet, { lifetime, challengeDuration, confirmations, now }));
  }

  /** What was sold so far. */
  get totals(): Readonly<SellerTotals> {
    return { ...this.#totals };
  }

  /** What is for sale. */
  get listings(): Listing[] {
    return [...this.#listings.values()];
  }

  /**
   * Lists content for sale under a path. It is read once, to hash it.
   *
   * @throws {MillstreamError} LISTING_EXISTS; INVALID_ARGUMENT or INVALID_HEX with `details.field`; CONTENT_LENGTH if it is
   *   empty or has too many chunks; CONTENT_UNREADABLE; CONTENT_CHANGED if the file changes meanwhile
   */
  async add(path: string, content: ListedContent, terms: ListingTerms): Promise<Listing> {
    const key = listingPath(path);
    const exists = () => {
      if (this.#listings.has(key))
        throw new MillstreamError("LISTING_EXISTS", `${key} is listed already: remove it first`);
    };
    exists();
    const listing = await Listing.of(key, content, terms);
    exists();
    this.#listings.set(key, listing);
    return listing;
  }

  /** Takes content off sale. What was paid for it and not served is lost to the buyer. `false` if it is not listed. */
  remove(path: string): boolean {
    const key = listingPath(path);
    const listing = this.#listings.get(key);
    if (!listing) return false;
    this.#quotes.drop(listing);
    return this.#listings.delete(key);
  }

  /** Answers one request. Never throws: whatever goes wrong is an answer too. */
  async handle(request: Request): Promise<Response> {
    try {
      const url = new URL(request.url);
      return url.pathname === WALLET_PATH
        ? await this.#handleMessage(request)
        : await this.#handleContent(request, url);
    } catch (error) {
      return refusal(error);
    }
  }

  /** Stops the wallet. Channels stay as they are in the store. */
  async stop(): Promise<void> {
    await this.wallet.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #handleMessage(request: Request): Promise<Response> {
    if (request.method === "OPTIONS") return preflightAnswer(WALLET_METHODS);
    if (request.method !== "POST") throw methodNotAllowed(WALLET_METHODS);
    // A stream can be iterated where there are servers; browsers, whose types these are, learn it only now.
    const body = request.body as unknown as AsyncIterable<Uint8Array> | null;
    const message = body ? await collect(body) : new Uint8Array(0);
    if (!message) throw bodyTooLarge();
    try {
      return framesAnswer(await this.wallet.receiveMessage(message));
    } catch (error) {
      if (!isMillstreamError(error)) throw error;
      const { reply = [] } = error.details;
      if (reply.length > 0) return framesAnswer(reply);
      if (TEMPORARY.has(error.code)) throw error;
      throw new HttpError(400, error.code, error.message);
    }
  }

  async #handleContent(request: Request, url: URL): Promise<Response> {
    const listing = this.#listings.get(url.pathname);
    if (!listing) throw new HttpError(404, "NOT_FOUND", "nothing is sold here");
    const { method } = request;
    if (method === "OPTIONS") return preflightAnswer(METHODS);
    if (method !== "GET" && method !== "HEAD") throw methodNotAllowed(METHODS);
    this.#sweep();
    if (url.searchParams.has("manifest"))
      return answer(200, method === "HEAD" ? null : listing.manifest, {
        "content-type": "application/octet-stream",
        "content-length": String(listing.manifest.length),
        "cache-control": "no-cache",
      });
    if (method === "HEAD")
      return answer(200, null, {
        "content-type": listing.contentType,
        "content-length": String(listing.length),
        "accept-ranges": "bytes",
        "cache-control": "no-cache",
      });
    const header = request.headers.get("payment");
    if (header !== null) return this.#handlePaid(request, listing, header);
    // No offer is made for what can no longer be delivered.
    await listing.checkUnchanged();
    const message = `each of the ${listing.chunks} chunks costs ${listing.price} base units of ${listing.asset}`;
    return this.#require(request, listing, "PAYMENT_REQUIRED", message);
  }

  async #handlePaid(request: Request, listing: Listing, header: string): Promise<Response> {
    const index = requestedChunk(listing, request.headers.get("range"));
    let bytes: Uint8Array;
    try {
      const { payment, channelId, memo } = readPayment(header);
      const quote = this.#quotes.find(listing, memo);
      if (!quote) throw new HttpError(402, "QUOTE_UNKNOWN", "the payment names no quote that holds here: ask for one");
      await this.#checkChannel(channelId, listing);
      // Before the payment is taken: nobody is charged for bytes that are not what the quote says.
      bytes = await listing.chunk(index);
      await this.#charge(channelId, listing, quote, payment, index);
    } catch (error) {
      const refused = error instanceof HttpError && error.status === 402;
      if (!refused) throw error;
      return this.#require(request, listing, error.code, error.message);
    }
    const { offset, length } = listing.span(index);
    this.#totals.bytes += length;
    return answer(206, bytes, {
      "content-type": listing.contentType,
      "content-length": String(length),
      "content-range": `bytes ${offset}-${offset + length - 1}/${listing.length}`,
      "accept-ranges": "bytes",
      "cache-control": "private, no-store",
    });
  }

  /** What the core cannot know: that the channel pays in what the listing costs, and that it is not over. */
  async #checkChannel(channelId: Hex, listing: Listing): Promise<void> {
    const info = (await this.wallet.loadChannel(channelId))?.info;
    if (!info) throw new HttpError(402, "UNKNOWN_CHANNEL", `there is no channel ${channelId} with this seller`);
    if (info.asset !== listing.asset)
      throw new HttpError(402, "WRONG_ASSET", `the channel pays in ${info.asset}, the price is in ${listing.asset}`);
    if (info.status === "closed" || info.status === "aborted")
      throw new HttpError(402, "CHANNEL_NOT_OPEN", `the channel is ${info.status}`);
  }

  /**
   * Takes the payment if it is new, and buys the chunk with what is there. When this is over, both are final.
   *
   * Requests with equal payments may come at once: the wallet answers them in their order, the first with what is new.
   */
  async #charge(
    channelId: Hex,
    listing: Listing,
    quote: ListedQuote,
    payment: Uint8Array,
    index: number,
  ): Promise<void> {
    let account = this.#ledger.find(channelId, quote.hash);
    // Its last payment came in before and is stored: nothing is new but, maybe, the chunk that it is shown for.
    if (!account?.isLastPayment(payment)) account = await this.#receive(channelId, listing, quote, payment);
    const before = account.count;
    if (!account.buy(index))
      throw new HttpError(
        402,
        "PAYMENT_INSUFFICIENT",
        `chunk ${index} costs ${account.price} base units, ${account.unspent} are paid and not spent`,
      );
    if (account.count > before) this.#totals.chunks += 1;
    else this.#totals.repeats += 1;
  }

  async #receive(channelId: Hex, listing: Listing, quote: ListedQuote, payment: Uint8Array): Promise<Account> {
    let amount: bigint;
    try {
      ({ amount } = await this.wallet.receivePayment(payment));
    } catch (error) {
      if (!isMillstreamError(error) || TEMPORARY.has(error.code)) throw error;
      throw new HttpError(402, error.code, error.message);
    }
    if (amount > 0n) this.#totals.payments += 1;
    // After a restart nobody knows whether the chunk of the last payment was served; the buyer gets the benefit of it.
    if (!this.#heard.has(channelId) && amount === 0n) amount = listing.price;
    this.#heard.add(channelId);
    const account = this.#ledger.open(channelId, quote.hash, listing);
    account.credit(amount, payment);
    return account;
  }

  #require(request: Request, listing: Listing, code: string, message: string): Response {
    const { wallet } = this;
    const quote = this.#quotes.current(listing);
    return paymentRequired({
      listing,
      quote,
      url: request.url,
      contracts: wallet.chain.contracts,
      payee: wallet.address,
      payTo: wallet.destination,
      holds: quote.expiresAt - now(),
      code,
      message,
    });
  }

  /** Forgets, at every step of the quotes, what was paid for those that ended. */
  #sweep(): void {
    const { step } = this.#quotes;
    if (step === this.#sweptStep) return;
    this.#sweptStep = step;
    const hashes = this.#quotes.hashes(this.#listings.values());
    this.#ledger.keepQuotes((hash) => hashes.has(hash));
  }
}

/** A payment and what it says, unchecked: nothing may be done with it but to find what it is about. */
function readPayment(header: string): { payment: Uint8Array; channelId: Hex; memo: Hex } {
  const payment = paymentBytes(header);
  try {
    const { channelId, memo = NO_MEMO } = decodePayment(payment);
    return { payment, channelId, memo };
  } catch (error) {
    if (!isMillstreamError(error)) throw error;
    throw new HttpError(402, error.code, error.message);
  }
}

/** The terms that a seller asks for must be ones that its own policy accepts. */
function atLeast(
  field: "challengeDuration" | "confirmations",
  value: number,
  rule: "minChallengeDuration" | "minConfirmations",
  policy: Partial<Policy>,
  usual: number,
): void {
  const minimum = policy[rule] ?? usual;
  if (value >= minimum) return;
  throw new MillstreamError(
    "INVALID_ARGUMENT",
    `${field} of ${value} is below the policy's ${rule} of ${minimum}: on a development chain, lower that too`,
    { details: { field } },
  );
}

function methodNotAllowed(allow: string): HttpError {
  return new HttpError(405, "METHOD_NOT_ALLOWED", `allowed here: ${allow}`, { allow });
}
