// A wallet: the core, its driver, and what it needs of the world.

import { announce } from "./announcing.js";
import { Channel } from "./channel.js";
import type { Chain } from "./chain.js";
import { Core } from "./core.js";
import { download, type DownloadOptions, type DownloadedChunk } from "./download.js";
import { Cursor } from "./cursor.js";
import { Driver, now, type ExternalSigner } from "./driver.js";
import { MillstreamError, checkHex, checkInteger, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import { paidFetch, type FetchOptions, type PaidFetch } from "./fetch.js";
import { init } from "./init.js";
import { isLedgerRecord } from "./ledger-record.js";
import { Mailbox } from "./mailbox.js";
import { Meter, type HlsPlayer, type WatchOptions } from "./meter.js";
import { fetchOffer, type Offer } from "./offer.js";
import { openChannel, type OpenProgress, type OpenStep, type OpenTermsChosen } from "./opening.js";
import type { Parts } from "./parts.js";
import {
  Payments,
  type OnAsk,
  type PaidFor,
  type PaidWith,
  type PaymentReceived,
  type SpendQuestion,
} from "./payments.js";
import { Sellers } from "./sellers.js";
import { spendRules, type SpendPolicy } from "./spend-policy.js";
import { memoryStore, type Store } from "./store.js";
import { Transactions } from "./transactions.js";
import type { ChannelInfo, Hex, Lease, Policy, Quote, QuoteTerms, Receipt, Route, StoredRecord } from "./types.js";
import type { PaymentSent, ReceiptReceived, WalletEvents } from "./wallet-events.js";
import { Watcher } from "./watcher.js";

export type { ExternalSigner, OnAsk, OpenProgress, OpenStep, PaidFor, PaymentReceived, SpendQuestion };
export type { PaymentSent, ReceiptReceived, WalletEvents };

/** What a wallet is made of. */
export interface WalletOptions {
  chain: Chain;
  /** Where records are kept. Default: in memory, gone with the wallet; its channels can then only be left by the other side. */
  store?: Store | undefined;
  /** The channel key, 32 bytes. Generated if missing; a wallet whose store outlives it must be given the same one again. */
  secret?: Uint8Array | undefined;
  /**
   * Instead of a secret: a signer outside that holds the channel key. Such a wallet opens channels and pays; it cannot sign
   * quotes, so it is no seller's.
   */
  signer?: ExternalSigner | undefined;
  /** Where this wallet's part of every channel is paid out. Default: the chain's account. */
  destination?: Hex | undefined;
  /**
   * Payer: how much may be signed with one write to the store. Default: every payment is stored before it leaves. With a
   * lease most need no write; after a restart the seller is asked how far the wallet got, and until it answers a channel is
   * "disconnected".
   */
  lease?: Lease | undefined;
  /** How many idle channels stay in memory; the others are read from the store when they are needed. Default 1,000. */
  maxLoaded?: number | undefined;
  /** What it asks of new channels, and what it may pay; what is missing keeps its default: no limit for payments. */
  policy?: (Partial<Policy> & SpendPolicy) | undefined;
  /**
   * Asks the owner about a payment above `policy.askAbove`; only `true` is a yes. Without it such payments are refused.
   */
  onAsk?: OnAsk | undefined;
  fetch?: typeof fetch | undefined;
  /** How often the chain is asked for news, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
}

/** The core's own default. */
const DEFAULT_MAX_LOADED = 1_000;

export interface OpenChannelOptions extends OpenTermsChosen {
  /** Any URL of something that the seller sells, or the offer read from one. For a ledger, any URL of the other side. */
  seller: string | URL | Offer;
  /**
   * The hub, or the hubs from this wallet on, through which the channel goes: any URL of each. It then takes no transaction,
   * but an open ledger with the first one. `"auto"`: a way is looked for. Default: none, the channel is a direct one.
   */
  via?: string | URL | readonly (string | URL)[] | undefined;
}

/**
 * A wallet on one chain: one channel key, its channels, and the machinery that keeps them going.
 *
 * While it runs it watches the chain, answers stale closes, and goes on with whatever was begun. `stop()` it, or declare
 * it with `await using`, before the process is to end.
 */
export class Wallet {
  /** The channel key's address: who this wallet is to its peers. It never holds money. */
  readonly address: Hex;
  /** Where this wallet's part of every channel is paid out. */
  readonly destination: Hex;
  readonly chain: Chain;
  /** @internal What requests are made with. */
  readonly request: typeof fetch;
  /**
   * A `fetch` that pays: same arguments, same answers. It may be taken from the wallet and handed on.
   *
   * It makes the request as it is. What is answered comes back untouched, unless it is a 402 that asks this wallet for
   * payment. Then what is sold is paid for and checked: a file comes as a stream of its chunks, of which those are paid for
   * that are read, and `parallel` more on their way; with a `Range` only the chunks that it touches are. A file of a folder
   * comes with one paid request. What was bought before costs nothing.
   *
   * Paid requests carry nothing of `init` but the signal and the range. Aborting rejects with the signal's reason, as
   * `fetch` does.
   *
   * @throws {MillstreamError} METHOD_NOT_PAYABLE for what is no GET or HEAD; CONTENT_NOT_FOUND; INVALID_ARGUMENT for several
   *   ranges; what {@link download} throws, at once or while the body is read
   */
  readonly fetch: PaidFetch;
  readonly #core: Core;
  readonly #driver: Driver;
  readonly #parts: Parts;
  readonly #mailbox: Mailbox;
  readonly #events = new Events<WalletEvents>();
  readonly #channels = new Map<Hex, Channel>();
  readonly #cursor: Cursor | undefined;
  readonly #external: boolean;
  #watching: Promise<void> = Promise.resolve();

  private constructor(core: Core, destination: Hex, store: Store, options: WalletOptions) {
    const { chain, fetch = globalThis.fetch.bind(globalThis) } = options;
    const driver = new Driver(core, store, options.signer);
    const transactions = new Transactions(driver, chain);
    const sellers = new Sellers(driver, store, fetch, (id) => transactions.busy(id));
    const pollInterval = checkInteger(options.pollInterval ?? 1_000, "pollInterval", 1, 3_600_000);
    const { maxLoaded = DEFAULT_MAX_LOADED } = options;
    const cursor = store.loadDue ? new Cursor(store) : undefined;
    const watcher = new Watcher(driver, chain, {
      pollInterval,
      opened: (id) => sellers.block(id),
      complete: () => cursor === undefined && core.channels().length < maxLoaded,
      onRead: (block) => void cursor?.save(block),
    });
    const payments = new Payments(
      driver,
      ({ bytes: _, claim: __, ...payment }, paidFor) => this.#events.emit("payment", { ...payment, ...paidFor }),
      options.onAsk,
    );
    watcher.signals.on("head", ({ block }) => transactions.onHead(block));
    this.address = core.address();
    this.destination = destination;
    this.chain = chain;
    this.request = fetch;
    const pay = (input: RequestInfo | URL, init?: RequestInit, chosen?: FetchOptions) =>
      paidFetch(this, input, init, chosen);
    this.fetch = pay as PaidFetch;
    this.#core = core;
    this.#driver = driver;
    this.#cursor = cursor;
    this.#external = options.signer !== undefined;
    this.#mailbox = new Mailbox(driver, sellers);
    const channelOf = (id: Hex) => this.#channel(id);
    this.#parts = { chain, driver, payments, transactions, sellers, watcher, channelOf };
    announce(this.#parts, this.#events);
  }

  /**
   * Opens a wallet: loads the WebAssembly module, reads the store, starts to watch the chain. It needs the chain only for
   * the account, if no `destination` is given.
   *
   * @throws {MillstreamError} `INVALID_ARGUMENT`, `INVALID_HEX`, `SIGN_INVALID_SECRET`, `WASM_UNAVAILABLE`; `STORE_...`;
   *   `RECORD_...` if the store is damaged or belongs to another key; `NO_ACCOUNT`, `CHAIN_UNREACHABLE`
   */
  static async open(options: WalletOptions): Promise<Wallet> {
    await init();
    const { chain, store = memoryStore(), secret, policy, lease, signer } = options;
    const spending = spendRules(policy ?? {});
    const address = signer && checkHex(signer.address, "signer.address", 20);
    // A withdrawal is about two channels at once.
    const maxLoaded = checkInteger(options.maxLoaded ?? DEFAULT_MAX_LOADED, "maxLoaded", 2, 2 ** 32 - 1);
    const destination =
      options.destination === undefined ? await chain.account() : checkHex(options.destination, "destination", 20);
    const core = new Core({ ...chain.contracts, destination, policy, secret, address, lease, spending, maxLoaded });
    const wallet = new Wallet(core, destination, store, options);
    await wallet.#start(store);
    return wallet;
  }

  /** Every channel of the wallet that is in memory, by id: all of them, unless there are very many. */
  channels(): Channel[] {
    return this.#core.channels().map(({ id }) => this.#channel(id));
  }

  /** One channel; `undefined` if there is none with this id in memory. */
  channel(id: Hex): Channel | undefined {
    return this.#core.channel(id) && this.#channel(checkHex(id, "id", 32));
  }

  /**
   * One channel, read from the store if it is not in memory; `undefined` if the wallet has none with this id.
   *
   * @throws {MillstreamError} `INVALID_HEX`; `STORE_FAILED`; `RECORD_...` if its record is damaged; `WALLET_STOPPED`
   */
  async loadChannel(id: Hex): Promise<Channel | undefined> {
    await this.#driver.load(checkHex(id, "id", 32));
    return this.channel(id);
  }

  /** @internal What is known about a channel, whose record is read if it is not in memory; `undefined` if there is none. */
  async infoOf(id: Hex): Promise<ChannelInfo | undefined> {
    this.#driver.requireRunning();
    const info = this.#core.channel(id);
    if (info) return info;
    await this.#driver.load(id);
    return this.#core.channel(id);
  }

  /**
   * Payer: opens a channel with a seller, up to the first possible payment. The deposit is its one transaction (for a token
   * there is an approval before it); a channel through hubs takes none.
   *
   * @throws {MillstreamError} what {@link fetchOffer} throws; `TERMS_...`, `POLICY_...`; `SELLER_REFUSED` with
   *   `details.peerCode`, `SELLER_UNREACHABLE`; `TRANSACTION_...`; `STORE_...`; `ABORTED`. With `details.channelId` there
   *   is a channel, and `details.aborted` says whether it was given up without a deposit. Through hubs also `ROUTE_UNKNOWN`
   *   if there is no way, `HUB_REFUSED` with `details.peerCode` if somebody on it says no, `HUB_LIQUIDITY` if our ledger has
   *   not enough, `OPEN_TIMEOUT`. Of hubs and for ledgers, `PEER_UNREACHABLE`, `PEER_TERMS_MALFORMED`.
   */
  async openChannel(options: OpenChannelOptions): Promise<Channel> {
    this.#driver.requireRunning();
    const { seller, signal, via, ...rest } = options;
    const chosen = { ...rest, signal };
    const isUrl = typeof seller === "string" || seller instanceof URL;
    if (chosen.kind === "ledger" && isUrl) {
      const { ledgerTarget } = await import("./hub-routes.js");
      const ledger = this.#channel(await openChannel(this.#parts, await ledgerTarget(this, seller, signal), chosen));
      this.#warmHubs();
      return ledger;
    }
    const offer = isUrl
      ? await fetchOffer(seller, this, { signal })
      : // Whoever made the object, what counts is what the seller signed.
        { ...seller, ...this.readQuote(seller.bytes) };
    if (via === undefined) return this.#channel(await openChannel(this.#parts, offer, chosen));
    const asset = chosen.asset === undefined ? offer.asset : checkHex(chosen.asset, "asset", 20);
    return this.openThrough({ ...offer, asset }, via, [chosen.deposit], chosen);
  }

  /** @internal Opens a channel through hubs, over the first of some amounts that there is a way for. */
  async openThrough(
    offer: Offer,
    via: NonNullable<OpenChannelOptions["via"]>,
    [amount = 0n, ...smaller]: readonly bigint[],
    options: Omit<OpenTermsChosen, "deposit">,
  ): Promise<Channel> {
    const { openAlong, openVia } = await import("./hub-routes.js");
    const open = (deposit: bigint, route: Route) => openChannel(this.#parts, offer, { ...options, deposit }, route);
    if (via === "auto") return this.#channel(await openAlong(this, offer, [amount, ...smaller], open, options.signal));
    const hubs = typeof via === "string" || via instanceof URL ? [via] : via;
    return this.#channel(await openVia(this, offer, hubs, amount, open, options.signal));
  }

  /** Payer: downloads what is sold under a URL, chunk by chunk, each checked before the next is paid for. */
  download(url: string | URL, options: DownloadOptions = {}): AsyncGenerator<DownloadedChunk, void, undefined> {
    return download(this, url, { ...options, fetch: options.fetch ?? this.request });
  }

  /**
   * Pays for a film in HLS second by second, while it plays in `video`: `url` is its playlist, in a folder that a seller
   * sells by the second.
   *
   * ```ts
   * import Hls from "hls.js";
   * using meter = wallet.watch(video, "https://films.example/film/master.m3u8", { Hls });
   * ```
   *
   * Parts are fetched ahead on the credit that the seller signed, and paid for when their seconds are played; what the credit
   * does not cover is paid for before it is fetched. Pausing, seeking, a stalled or a hidden page stop the payments. What was
   * bought before costs nothing. Without `Hls` the page makes the player, with `meter.loader`.
   *
   * @throws {MillstreamError} `INVALID_ARGUMENT`; `WATCH_UNSUPPORTED` if hls.js does not work here. What goes wrong later is
   *   told as the meter's `error`: `WATCH_UNSUPPORTED` for a single file, what {@link download} throws
   */
  watch<P extends HlsPlayer>(video: HTMLMediaElement, url: string | URL, options: WatchOptions<P> = {}): Meter<P> {
    return new Meter(this, video, url, options);
  }

  /** @internal A receipt came. */
  received(receipt: ReceiptReceived): void {
    this.#events.emit("receipt", receipt);
  }

  /**
   * Stops all payments at once, or lets them go on: until then each is refused with `SPEND_HELD`. It is not stored.
   *
   * @throws {MillstreamError} `WALLET_STOPPED`
   */
  hold(held: boolean): void {
    this.#driver.run((core) => core.hold(held, now()));
  }

  /** Calls `listener` with every such event until the function returned is called. */
  on<K extends keyof WalletEvents>(event: K, listener: (event: WalletEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /**
   * Payee, hub: takes in the message of a peer that calls.
   *
   * At a hub whose answer comes from further down the way of a virtual channel, it waits for that, five seconds at most;
   * `signal` ends the wait, and what there is to say stays for the peer's next message.
   *
   * @returns the messages that go back to the peer, stored as far as they commit to anything
   * @throws {MillstreamError} why it was refused; `details.reply` holds the signed messages that say so to the peer, if
   *   the message was properly signed. `STORE_...`: nothing was agreed to
   */
  async receiveMessage(
    bytes: Uint8Array,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Uint8Array[]> {
    return this.#mailbox.receive(bytes, signal);
  }

  /** @internal Payee: remembers where a hub takes messages. */
  meet(hub: Hex, url: string): void {
    this.#parts.sellers.meet(hub, url);
  }

  /**
   * Payee: takes in a payment, and resolves when it is stored. The same payment again resolves with an `amount` of 0.
   *
   * `along` may give a record of the caller's own that is stored with the payment or not at all. It is not asked for one if
   * the payment brings nothing new, or is stored together with others.
   *
   * @throws {MillstreamError} `UNKNOWN_CHANNEL`, `CHANNEL_NOT_OPEN`, `VOUCHER_...`, `SIGNATURE_...`, `MESSAGE_...`,
   *   `INVALID_ARGUMENT`; `STORE_...`: it was not accepted, and may be shown again
   */
  async receivePayment(bytes: Uint8Array, along?: PaidWith): Promise<PaymentReceived> {
    return this.#parts.payments.receive(bytes, along);
  }

  /**
   * Payee: signs a quote with the channel key; payee and destination are this wallet's.
   *
   * @throws {MillstreamError} `QUOTE_IMPOSSIBLE`; `KEY_ELSEWHERE` with a signer outside; those of arguments
   */
  signQuote(terms: QuoteTerms): Uint8Array {
    return this.#core.signQuote(terms);
  }

  /**
   * Signs a receipt as the seller.
   *
   * @throws {MillstreamError} `KEY_ELSEWHERE` with a signer outside; those of arguments
   */
  signReceipt(receipt: Receipt): Uint8Array {
    return this.#core.signReceipt(receipt);
  }

  /**
   * Reads a quote: checks its signature, that it is for this wallet's chain and contracts, and that it has not expired.
   *
   * @throws {MillstreamError} `QUOTE_TOO_LARGE`, `QUOTE_MALFORMED`, `QUOTE_SIGNATURE`, `QUOTE_EXPIRED`, `QUOTE_IMPOSSIBLE`
   */
  readQuote(bytes: Uint8Array): Quote {
    return this.#core.readQuote(bytes, now());
  }

  /**
   * The channel key, 32 bytes, for a backup: whoever has it can spend every channel of this wallet.
   *
   * @throws {MillstreamError} `KEY_ELSEWHERE` with a signer outside
   */
  exportSecret(): Uint8Array {
    return this.#core.exportSecret();
  }

  /**
   * Stops the wallet: what waits is rejected with `WALLET_STOPPED`. Resolves when nothing is being written any more, or
   * after five seconds if the store hangs.
   */
  async stop(): Promise<void> {
    await this.#driver.stop();
    await this.#watching;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(store: Store): Promise<void> {
    const { sellers, watcher } = this.#parts;
    let records: StoredRecord[];
    try {
      const stored = await (store.loadDue?.() ?? store.load());
      const found = sellers.takeNotes(stored.filter((record) => !isLedgerRecord(record)));
      // A payer sees all its channels, also those that can rest.
      const there = new Set(found.map(({ key }) => key));
      const missing = sellers.known().filter((id) => !there.has(id));
      records = missing.length > 0 ? [...found, ...(await store.read(missing))] : found;
      if (this.#cursor) watcher.readFrom((await this.#cursor.load()) ?? this.chain.firstBlock ?? 0);
    } catch (cause) {
      if (isMillstreamError(cause)) throw cause;
      throw new MillstreamError("STORE_FAILED", "the store cannot be read", { cause });
    }
    this.#driver.run((core) => core.loaded(records, now()));
    this.#driver.tick();
    for (const { id, kind, status, role, hubs } of this.#core.channels()) {
      // What a signer outside was asked for, or what was signed under a lease, is not in the record.
      // What was said last on the way of a virtual channel may not have arrived. A hub has many: its payers say it again.
      const isOnWay = hubs !== undefined && role === "payer" && (status === "signed" || status === "open");
      if (this.#external || status === "disconnected" || isOnWay) this.#resume(id);
      sellers.follow(id);
      if (kind === "ledger" && status === "open") this.#warmHubs();
    }
    this.#watching = watcher.run();
  }

  /** Whoever has ledgers will go through hubs: what they say is best there before it is needed. */
  #warmHubs(): void {
    void import("./hub-routes.js").then(({ warmHubs }) => warmHubs(this));
  }

  #resume(channelId: Hex): void {
    this.#driver
      .runLoaded((core) => core.resume(channelId, now()))
      .catch((error: unknown) => {
        if (isMillstreamError(error)) this.#events.emit("error", { error, channelId });
      });
  }

  #channel(id: Hex): Channel {
    let channel = this.#channels.get(id);
    if (!channel) this.#channels.set(id, (channel = Channel.of(this.#parts, id)));
    return channel;
  }
}
