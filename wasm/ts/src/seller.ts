// A seller of content: lists it, asks for payment, and serves each chunk that is paid for.

import type { Chain } from "./chain.js";
import type { CloseResult } from "./channel.js";
import { now } from "./driver.js";
import { MillstreamError, checkInteger, checkUrl } from "./errors.js";
import { QuoteBook } from "./listing-quotes.js";
import { Listings, type Found } from "./listings.js";
import { Listing, checkCredit, type FolderListingTerms, type ListedContent, type ListingTerms } from "./listing.js";
import { isOver } from "./parts.js";
import { WALLET_PATH } from "./peer-terms.js";
import {
  HttpError,
  answer,
  methodNotAllowed,
  paymentRequired,
  preflightAnswer,
  refusal,
  requestedPart,
  requestedPayment,
  type RequestedPart,
} from "./seller-http.js";
import {
  SellerAccounts,
  type ClaimFilter,
  type ClaimOptions,
  type ClaimOutcome,
  type SellerAccount,
} from "./seller-accounts.js";
import { SellerHubs } from "./seller-hubs.js";
import { ChunkLedger } from "./seller-ledger.js";
import { receiptHeader } from "./seller-receipt.js";
import { Till } from "./seller-till.js";
import { memoryStore, type Store } from "./store.js";
import type { ChannelKind, Hex, Policy } from "./types.js";
import { answerWallet, type SaidTerms } from "./wallet-http.js";
import { Wallet } from "./wallet.js";

/** What a seller is made of. */
export interface SellerOptions {
  chain: Chain;
  /**
   * Where the best payment of every channel is kept, and what it bought. In memory without one: then a crash loses what was
   * earned.
   */
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
  /**
   * What is served ahead of payment on each channel, in base units, as long as the channel can still pay it; quotes say it,
   * and listings may have one of their own. A buyer that goes away without paying keeps as much. Default 0: every chunk is
   * paid for first.
   */
  credit?: bigint | undefined;
  /**
   * The hubs that it can be paid through: any URL of each. Those that have a ledger with it are named in its quotes. A hub
   * opens the ledger itself, since it is the hub whose money goes there: a seller with hubs takes ledgers. Default: none.
   */
  hubs?: readonly (string | URL)[] | undefined;
  /** How often the chain is asked for news, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
  fetch?: typeof fetch | undefined;
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

const DEFAULT_CHALLENGE_DURATION = 3_600;
const DEFAULT_CONFIRMATIONS = 2;
const DEFAULT_QUOTE_LIFETIME = 24 * 3_600;

/**
 * Sells content by the chunk.
 *
 * What was paid and what that bought is in its store before a byte leaves: a chunk is charged for once on each channel and
 * quote, whatever is lost and whenever the process ends, and served again free as long as the quote holds.
 */
export class Seller {
  /** The payee of every channel. It answers stale closes by itself while it runs. */
  readonly wallet: Wallet;
  readonly #quotes: QuoteBook;
  readonly #listings = new Listings();
  readonly #till: Till;
  readonly #credit: bigint;
  readonly #accounts: SellerAccounts;
  readonly #totals: SellerTotals = { payments: 0, chunks: 0, repeats: 0, bytes: 0 };

  readonly #said: SaidTerms;

  private constructor(
    wallet: Wallet,
    quotes: QuoteBook,
    ledger: ChunkLedger,
    store: Store,
    { credit, said }: { credit: bigint; said: SaidTerms },
  ) {
    this.wallet = wallet;
    this.#credit = credit;
    this.#said = said;
    this.#accounts = new SellerAccounts(wallet, store, ledger);
    this.#quotes = quotes;
    this.#till = new Till(wallet, quotes, ledger);
    // What cannot be dropped now is at the next start.
    const drop = (channelId: Hex) => void ledger.drop(channelId).catch(() => {});
    for (const { id, status } of wallet.channels()) if (isOver(status)) drop(id);
    wallet.on("status", ({ channelId, status }) => {
      if (isOver(status)) drop(channelId);
    });
    wallet.on("paymentReceived", ({ amount }) => {
      if (amount > 0n) this.#totals.payments += 1;
    });
    wallet.on("updated", ({ channelId, balances }) => {
      const { payeeDeposit = 0n } = wallet.channel(channelId)?.info ?? {};
      void ledger.agreed(channelId, balances.payee - payeeDeposit).catch(() => {});
    });
  }

  /**
   * Opens the seller's wallet.
   *
   * @throws {MillstreamError} INVALID_ARGUMENT with `details.field` if the terms contradict the policy; and what
   *   `Wallet.open` throws
   */
  static async open(options: SellerOptions): Promise<Seller> {
    const { policy = {}, chain, store = memoryStore(), secret, destination, pollInterval } = options;
    const credit = checkCredit(options.credit ?? 0n);
    const challengeDuration = checkInteger(
      options.challengeDuration ?? DEFAULT_CHALLENGE_DURATION,
      "challengeDuration",
    );
    const confirmations = checkInteger(options.confirmations ?? DEFAULT_CONFIRMATIONS, "confirmations", 1);
    const lifetime = checkInteger(options.quoteLifetime ?? DEFAULT_QUOTE_LIFETIME, "quoteLifetime", 2);
    atLeast("challengeDuration", challengeDuration, "minChallengeDuration", policy, DEFAULT_CHALLENGE_DURATION);
    atLeast("confirmations", confirmations, "minConfirmations", policy, DEFAULT_CONFIRMATIONS);
    const hubs = (options.hubs ?? []).map((url) => checkUrl(url, "hubs"));
    const kinds: readonly ChannelKind[] = policy.kinds ?? (hubs.length > 0 ? ["stream", "ledger"] : ["stream"]);
    const wallet = await Wallet.open({
      chain,
      store,
      secret,
      destination,
      pollInterval,
      fetch: options.fetch,
      // What the quotes ask for is what is accepted.
      policy: {
        ...policy,
        kinds,
        minChallengeDuration: challengeDuration,
        minConfirmations: confirmations,
      },
    });
    const paid = (channelId: Hex) => wallet.channel(channelId)?.paid;
    const known = new SellerHubs(wallet, hubs);
    await known.begin();
    const listed = (asset: Hex) => known.list(asset);
    const quotes = new QuoteBook(wallet, { lifetime, challengeDuration, confirmations, now, hubs: listed });
    const said = { challengeDuration, confirmations, kinds, assets: policy.assets ?? [] };
    return new Seller(wallet, quotes, new ChunkLedger(store, { now, paid }), store, { credit, said });
  }

  /** What was sold so far. */
  get totals(): Readonly<SellerTotals> {
    return { ...this.#totals };
  }

  /** What is for sale. */
  get listings(): Listing[] {
    return this.#listings.all;
  }

  /**
   * Lists content for sale under a path. It is read once, to hash it.
   *
   * @throws {MillstreamError} LISTING_EXISTS; INVALID_ARGUMENT or INVALID_HEX with `details.field`; CONTENT_LENGTH if it is
   *   empty or has too many chunks; CONTENT_UNREADABLE; CONTENT_CHANGED if the file changes meanwhile
   */
  async add(path: string, content: ListedContent, terms: ListingTerms): Promise<Listing> {
    return this.#listings.add(path, () => Listing.of(path, content, terms, this.#credit));
  }

  /**
   * Lists the files of a directory for sale as one thing with one quote, under a path that ends in `/`; the path of a file in
   * there follows it. Every file is read once, to hash it. Names that begin with a dot are left out.
   *
   * @throws {MillstreamError} as {@link add}; CONTENT_UNREADABLE also for links; CONTENT_MANIFEST_MALFORMED if there are too
   *   many files; PLAYLIST_MALFORMED, PLAYLIST_BYTE_RANGE, PLAYLIST_UNSUPPORTED, PLAYLIST_SHORT_SEGMENTS,
   *   FOLDER_FILE_MISSING, FOLDER_FILE_UNPRICED with `details.path`
   */
  async addFolder(path: string, directory: string, terms: FolderListingTerms): Promise<Listing> {
    return this.#listings.add(path, () => Listing.ofFolder(path, directory, terms, this.#credit));
  }

  /** Takes content off sale. What was paid for it and not spent can be spent on something else. `false` if it is not listed. */
  remove(path: string): boolean {
    const listing = this.#listings.remove(path);
    if (listing) this.#quotes.drop(listing);
    return listing !== undefined;
  }

  /**
   * Every channel with what it earned. Reads all of the store.
   *
   * @throws {MillstreamError} STORE_FAILED, RECORD_DAMAGED, WALLET_STOPPED
   */
  async accounts(): Promise<SellerAccount[]> {
    return this.#accounts.all();
  }

  /**
   * Has the best payment of a channel paid out, which closes it; or of every one that earned more than some amount.
   *
   * The buyer is asked to close with its next message, and the wallet leaves alone when it did not within the policy's
   * `answerTimeout`; `{ alone: true }` does so at once. Resolves when the chain has paid out. Of several channels each has
   * its own result or error.
   *
   * @throws {MillstreamError} UNKNOWN_CHANNEL; INVALID_ARGUMENT or INVALID_HEX with `details.field`; what `Channel.close`
   *   and, alone, `Channel.leave` throw: LEAVE_NOTHING_TO_CLAIM ..., TRANSACTION_...; ABORTED: what was begun goes on
   */
  claim(channelId: Hex, options?: ClaimOptions): Promise<CloseResult>;
  claim(channels: ClaimFilter, options?: ClaimOptions): Promise<ClaimOutcome[]>;
  async claim(which: Hex | ClaimFilter, options: ClaimOptions = {}): Promise<CloseResult | ClaimOutcome[]> {
    return typeof which === "string" ? this.#accounts.claim(which, options) : this.#accounts.claimAll(which, options);
  }

  /** Answers one request. Never throws: whatever goes wrong is an answer too. */
  async handle(request: Request): Promise<Response> {
    try {
      const url = new URL(request.url);
      return url.pathname === WALLET_PATH
        ? await answerWallet(this.wallet, request, () => this.#said)
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

  async #handleContent(request: Request, url: URL): Promise<Response> {
    // Also where nothing is sold: a page must be able to read that.
    if (request.method === "OPTIONS") return preflightAnswer(METHODS);
    const found = this.#listings.find(url.pathname);
    if (!found) throw new HttpError(404, "NOT_FOUND", "nothing is sold here");
    const { listing, file } = found;
    const { method } = request;
    if (method !== "GET" && method !== "HEAD") throw methodNotAllowed(METHODS);
    if (file === undefined && url.searchParams.has("manifest"))
      return answer(200, method === "HEAD" ? null : listing.manifest, {
        "content-type": listing.folder ? "application/json" : "application/octet-stream",
        "content-length": String(listing.manifest.length),
        "cache-control": "no-cache",
      });
    if (method === "HEAD" && !(listing.folder && file === undefined))
      return answer(200, null, {
        "content-type": file === undefined ? listing.contentType : listing.contentTypeOf(file),
        "content-length": String(file === undefined ? listing.length : listing.span(file).length),
        "accept-ranges": "bytes",
        "cache-control": "no-cache",
        ...linkOf(listing),
      });
    // Who asks for headers alone buys nothing.
    const payment = method === "HEAD" ? undefined : requestedPayment(request, url);
    const asksAccount = url.searchParams.has("account");
    if (file !== undefined && !asksAccount && listing.priceOf(file) === 0n)
      return this.#free(request, url, listing, file);
    if (payment !== undefined) return this.#orTerms(request, found, () => this.#paid(request, url, found, payment));
    // No offer is made for what can no longer be delivered.
    await listing.checkUnchanged(file);
    return this.#require(request, found, "PAYMENT_REQUIRED", priceTag(found));
  }

  /** A file that costs nothing. */
  async #free(request: Request, url: URL, listing: Listing, file: number): Promise<Response> {
    const part = requestedPart(listing, request, url, file);
    const chunk = await listing.open(file);
    return this.#send(listing, part, chunk.body(part.first, part.length), { "cache-control": "no-cache" });
  }

  /** The answer to a request with a payment. */
  async #paid(request: Request, url: URL, { listing, file }: Found, payment: string): Promise<Response> {
    const quote = url.searchParams.get("account");
    if (quote !== null) {
      const { unspent, owed, bought } = await this.#till.statement(listing, quote, payment, request.signal);
      return answer(200, JSON.stringify({ unspent: String(unspent), owed: String(owed), bought }), {
        "content-type": "application/json",
        "cache-control": "private, no-store",
      });
    }
    const part = requestedPart(listing, request, url, file);
    const { chunk, sold, isRepeat, undo } = await this.#till.sell(listing, part.index, payment, request.signal);
    if (isRepeat) this.#totals.repeats += 1;
    else this.#totals.chunks += 1;
    // Undone for who bought it with this request; who has had it before has no reason to be paid back.
    const onChanged = () => void (isRepeat ? undefined : undo().catch(() => {}));
    const body = chunk.body(part.first, part.length, onChanged);
    return this.#send(listing, part, body, {
      "cache-control": "private, no-store",
      ...receiptHeader(this.wallet, request, sold, now()),
    });
  }

  #send(
    listing: Listing,
    { index, length, contentRange }: RequestedPart,
    body: Uint8Array | ReadableStream<Uint8Array>,
    headers: Readonly<Record<string, string>>,
  ): Response {
    this.#totals.bytes += length;
    return answer(contentRange === undefined ? 200 : 206, body, {
      "content-type": listing.contentTypeOf(index),
      "content-length": String(length),
      ...(contentRange !== undefined && { "content-range": contentRange }),
      "accept-ranges": "bytes",
      ...linkOf(listing),
      ...headers,
    });
  }

  /** Whatever a 402 says, it says what to pay. */
  async #orTerms(request: Request, found: Found, run: () => Promise<Response>): Promise<Response> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof HttpError) || error.status !== 402) throw error;
      return this.#require(request, found, error.code, error.message);
    }
  }

  #require(request: Request, { listing, file }: Found, code: string, message: string): Response {
    const { wallet } = this;
    const quote = this.#quotes.current(listing);
    return paymentRequired({
      listing,
      quote,
      url: request.url,
      mimeType: file === undefined ? listing.contentType : listing.contentTypeOf(file),
      contracts: wallet.chain.contracts,
      payee: wallet.address,
      payTo: wallet.destination,
      holds: quote.expiresAt - now(),
      code,
      message,
    });
  }
}

/** Where the terms of a folder are, for whoever begins with a file of it that is free. */
function linkOf({ folder, path }: Listing): Readonly<Record<string, string>> {
  return folder ? { link: `<${path}>; rel="payment"` } : {};
}

function priceTag({ listing, file }: Found): string {
  const { chunks, unit, price, asset, folder } = listing;
  if (file !== undefined) return `this file costs ${listing.priceOf(file)} base units of ${asset}`;
  if (unit === "chunk" && !folder) return `each of the ${chunks} chunks costs ${price} base units of ${asset}`;
  return `each ${unit === "chunk" ? "file" : unit} costs ${price} base units of ${asset}`;
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
