// A wallet: the core, its driver, and what it needs of the world.

import { Channel } from "./channel.js";
import type { Chain } from "./chain.js";
import { Core } from "./core.js";
import { download, type DownloadOptions, type DownloadedChunk } from "./download.js";
import { Driver, now } from "./driver.js";
import { MillstreamError, checkHex, checkInteger, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import { init } from "./init.js";
import { Mailbox } from "./mailbox.js";
import { fetchOffer, type Offer } from "./offer.js";
import { openChannel, type OpenProgress, type OpenStep, type OpenTermsChosen } from "./opening.js";
import type { Parts } from "./parts.js";
import { Payments, type PaymentReceived } from "./payments.js";
import { Sellers } from "./sellers.js";
import { clip } from "./rpc.js";
import { memoryStore, type Store } from "./store.js";
import { Transactions } from "./transactions.js";
import { checkCode } from "./transport.js";
import type { ChannelStatus, Hex, Policy, Quote, QuoteTerms, TransactionKind } from "./types.js";
import { Watcher } from "./watcher.js";

export type { OpenProgress, OpenStep, PaymentReceived };

/** What a wallet is made of. */
export interface WalletOptions {
  chain: Chain;
  /** Where records are kept. Default: in memory, gone with the wallet; its channels can then only be left by the other side. */
  store?: Store | undefined;
  /** The channel key, 32 bytes. Generated if missing; a wallet whose store outlives it must be given the same one again. */
  secret?: Uint8Array | undefined;
  /** Where this wallet's part of every channel is paid out. Default: the chain's account. */
  destination?: Hex | undefined;
  /** What it asks of new channels; what is missing keeps its default. */
  policy?: Partial<Policy> | undefined;
  fetch?: typeof fetch | undefined;
  /** How often the chain is asked for news, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
}

/** What a wallet tells its listeners. Amounts in base units. */
export interface WalletEvents {
  /** Payer: a payment is stored and may leave. */
  payment: { channelId: Hex; serial: number; amount: bigint; cumulativeAmount: bigint; signMs: number };
  /** Payee: a payment was accepted and stored. */
  paymentReceived: PaymentReceived;
  status: { channelId: Hex; status: ChannelStatus };
  /** A challenge stands on chain, final at `finalizesAt` (the chain's clock, in seconds). */
  challenged: { channelId: Hex; finalizesAt: number; ours: boolean };
  closed: { channelId: Hex; paid: bigint; refunded: bigint };
  /** A transaction of this wallet was mined. */
  transaction: { channelId: Hex; kind: TransactionKind; hash: Hex; gasUsed: bigint; block: number };
  /** The other side refused a message; code and text are its own words. */
  peerError: { channelId: Hex; code: string; text: string };
  /** Something went wrong; whoever waits for it is told as well. */
  error: { error: MillstreamError; channelId?: Hex };
}

export interface OpenChannelOptions extends OpenTermsChosen {
  /** Any URL of something that the seller sells, or the offer read from one. */
  seller: string | URL | Offer;
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
  readonly #core: Core;
  readonly #driver: Driver;
  readonly #parts: Parts;
  readonly #mailbox: Mailbox;
  readonly #events = new Events<WalletEvents>();
  readonly #channels = new Map<Hex, Channel>();
  readonly #told = new Set<string>();
  #watching: Promise<void> = Promise.resolve();

  private constructor(core: Core, destination: Hex, store: Store, options: WalletOptions) {
    const { chain, fetch = globalThis.fetch.bind(globalThis) } = options;
    const driver = new Driver(core, store);
    const transactions = new Transactions(driver, chain);
    const sellers = new Sellers(driver, store, fetch, (id) => transactions.busy(id));
    const pollInterval = checkInteger(options.pollInterval ?? 1_000, "pollInterval", 1, 3_600_000);
    const watcher = new Watcher(driver, chain, pollInterval, (id) => sellers.block(id));
    const payments = new Payments(driver, ({ channelId, serial, amount, cumulativeAmount, signMs }) =>
      this.#events.emit("payment", { channelId, serial, amount, cumulativeAmount, signMs }),
    );
    watcher.signals.on("head", ({ block }) => transactions.onHead(block));
    this.address = core.address();
    this.destination = destination;
    this.chain = chain;
    this.request = fetch;
    this.#core = core;
    this.#driver = driver;
    this.#mailbox = new Mailbox(driver);
    this.#parts = { chain, driver, payments, transactions, sellers, watcher };
    this.#announce();
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
    const { chain, store = memoryStore(), secret, policy } = options;
    const destination =
      options.destination === undefined ? await chain.account() : checkHex(options.destination, "destination", 20);
    const core = new Core({ ...chain.contracts, destination, policy, secret });
    const wallet = new Wallet(core, destination, store, options);
    await wallet.#start(store);
    return wallet;
  }

  /** Every channel of the wallet, by id. */
  channels(): Channel[] {
    return this.#core.channels().map(({ id }) => this.#channel(id));
  }

  /** One channel; `undefined` if the wallet has none with this id. */
  channel(id: Hex): Channel | undefined {
    return this.#core.channel(id) && this.#channel(checkHex(id, "id", 32));
  }

  /**
   * Payer: opens a channel with a seller, up to the first possible payment. The deposit is its one transaction (for a token
   * there is an approval before it).
   *
   * @throws {MillstreamError} what {@link fetchOffer} throws; `TERMS_...`, `POLICY_...`; `SELLER_REFUSED` with
   *   `details.peerCode`, `SELLER_UNREACHABLE`; `TRANSACTION_...`; `STORE_...`; `ABORTED`. With `details.channelId` there
   *   is a channel, and `details.aborted` says whether it was given up without a deposit.
   */
  async openChannel(options: OpenChannelOptions): Promise<Channel> {
    this.#driver.requireRunning();
    const { seller, signal, ...chosen } = options;
    const offer =
      typeof seller === "string" || seller instanceof URL
        ? await fetchOffer(seller, this, { signal })
        : // Whoever made the object, what counts is what the seller signed.
          { ...seller, ...this.readQuote(seller.bytes) };
    return this.#channel(await openChannel(this.#parts, offer, { ...chosen, signal }));
  }

  /** Payer: downloads what is sold under a URL, chunk by chunk, each checked before the next is paid for. */
  download(url: string | URL, options: DownloadOptions = {}): AsyncGenerator<DownloadedChunk, void, undefined> {
    return download(this, url, { ...options, fetch: options.fetch ?? this.request });
  }

  /** Calls `listener` with every such event until the function returned is called. */
  on<K extends keyof WalletEvents>(event: K, listener: (event: WalletEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /**
   * Payee: takes in a payer's message.
   *
   * @returns the messages that go back to the payer, stored as far as they commit to anything
   * @throws {MillstreamError} why it was refused; `details.reply` holds the signed messages that say so to the payer, if
   *   the message was properly signed. `STORE_...`: nothing was agreed to
   */
  async receiveMessage(bytes: Uint8Array): Promise<Uint8Array[]> {
    return this.#mailbox.receive(bytes);
  }

  /**
   * Payee: takes in a payment, and resolves when it is stored. The same payment again resolves with an `amount` of 0.
   *
   * @throws {MillstreamError} `UNKNOWN_CHANNEL`, `CHANNEL_NOT_OPEN`, `VOUCHER_...`, `SIGNATURE_...`, `MESSAGE_...`,
   *   `INVALID_ARGUMENT`; `STORE_...`: it was not accepted, and may be shown again
   */
  async receivePayment(bytes: Uint8Array): Promise<PaymentReceived> {
    return this.#parts.payments.receive(bytes);
  }

  /** Payee: signs a quote with the channel key; payee and destination are this wallet's. */
  signQuote(terms: QuoteTerms): Uint8Array {
    return this.#core.signQuote(terms);
  }

  /**
   * Reads a quote: checks its signature, that it is for this wallet's chain and contracts, and that it has not expired.
   *
   * @throws {MillstreamError} `QUOTE_MALFORMED`, `QUOTE_SIGNATURE`, `QUOTE_EXPIRED`, `QUOTE_IMPOSSIBLE`
   */
  readQuote(bytes: Uint8Array): Quote {
    return this.#core.readQuote(bytes, now());
  }

  /** The channel key, 32 bytes, for a backup: whoever has it can spend every channel of this wallet. */
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
    let records;
    try {
      records = await store.load();
    } catch (cause) {
      if (isMillstreamError(cause)) throw cause;
      throw new MillstreamError("STORE_FAILED", "the store cannot be read", { cause });
    }
    this.#driver.run((core) => core.loaded(this.#parts.sellers.takeNotes(records)));
    this.#driver.run((core) => core.tick(now()));
    for (const { id } of this.#core.channels()) this.#parts.sellers.follow(id);
    this.#watching = this.#parts.watcher.run();
  }

  #channel(id: Hex): Channel {
    let channel = this.#channels.get(id);
    if (!channel) this.#channels.set(id, (channel = Channel.of(this.#parts, id)));
    return channel;
  }

  /** Makes the events of the wallet out of the signals of its parts. */
  #announce(): void {
    const { driver, transactions, sellers } = this.#parts;
    driver.signals.on("event", (event) => {
      const { channelId } = event;
      switch (event.type) {
        case "statusChanged":
          return this.#events.emit("status", { channelId, status: event.status });
        case "paymentReceived": {
          const { serial, amount, cumulativeAmount, memo } = event;
          return this.#events.emit("paymentReceived", { channelId, serial, amount, cumulativeAmount, memo });
        }
        case "challenged":
          return this.#events.emit("challenged", { channelId, finalizesAt: event.finalizesAt, ours: event.ours });
        case "closed":
          return this.#events.emit("closed", { channelId, paid: event.paid, refunded: event.refunded });
        case "peerError":
          return this.#events.emit("peerError", { channelId, code: checkCode(event.code), text: clip(event.text) });
        case "unreadableLog":
          return this.#unreadable(event);
        case "commitFailed":
          // "storeFailed" says the same, and why.
          return;
      }
    });
    driver.signals.on("error", (event) => this.#events.emit("error", event));
    driver.signals.on("storeFailed", (event) => this.#events.emit("error", event));
    transactions.signals.on("mined", (event) => this.#events.emit("transaction", event));
    transactions.signals.on("failed", ({ channelId, error }) => this.#events.emit("error", { channelId, error }));
    sellers.signals.on("failed", ({ channelId, error }) => this.#events.emit("error", { channelId, error }));
  }

  /** A log is read again with every look at the chain until it is deep; it is told once. */
  #unreadable({ channelId, block, code }: { channelId: Hex; block: number; code: string }): void {
    const log = `${channelId}${block}${code}`;
    if (this.#told.has(log)) return;
    this.#told.add(log);
    const message = `what happened to channel ${channelId} in block ${block} cannot be read`;
    this.#events.emit("error", { channelId, error: new MillstreamError(code, message, { details: { channelId } }) });
  }
}
