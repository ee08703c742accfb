// The chunk ledger: what was spent on each channel, and which chunks that bought.
//
// What a channel can spend is everything that was received on it less everything that was spent on it. A chunk is bought
// once per channel and quote; again it is free. Both are durable before a byte of the chunk leaves, in one write where that can
// be: a crash between the payment and the purchase leaves the payment unspent, which is the buyer's.

import { ChunkRanges } from "./chunk-ranges.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { decodeLedger, encodeLedger, ledgerKey, type LedgerQuote, type LedgerRecord } from "./ledger-record.js";
import type { Store } from "./store.js";
import type { Hex, TakenIn, Write } from "./types.js";

/** A chunk that somebody wants to buy. */
export interface Purchase {
  readonly channelId: Hex;
  readonly quote: { readonly hash: Hex; readonly expiresAt: number };
  readonly index: number;
  /** In base units. */
  readonly price: bigint;
  /** What is served ahead of payment on the channel, in base units. */
  readonly credit: bigint;
}

/** A payment that is stored. */
export interface Received {
  /** All that was received on the channel with it, in base units. */
  readonly cumulativeAmount: bigint;
}

/** What came of it: bought now, or before; or what is unspent is too little. */
export type Outcome =
  { bought: "now" | "before"; /** How many chunks of the quote. */ count: number } | { bought: "no"; unspent: bigint };

/** A purchase that is stored, and what came of it. */
export interface Bought {
  readonly purchase: Purchase;
  readonly outcome: Outcome;
}

/** Takes a payment in: asks for a write that is to go with it, once it is known what came in, and resolves when both are stored. */
export type Pay<R extends Received> = (along: (taken: TakenIn) => Write | undefined) => Promise<R>;

/** What one channel spent, in memory. */
interface Account extends LedgerRecord {
  readonly channelId: Hex;
  /** Where its record is. */
  readonly key: Hex;
  /** Of the record in the store. */
  version: number;
  /** All that was received on the channel, as far as it is known to be stored or is in the write under way. */
  received: bigint;
  /** Counts the changes, and those that are stored. */
  changes: number;
  stored: number;
  writing: Promise<void> | undefined;
  /** Set when writing failed: what is in the store counts. */
  void: boolean;
}

/** The most runs of chunks that one channel may have in its record, which then has about 40 kB. */
const MAX_RUNS = 2_000;
/** How many channels are kept in memory. */
const MAX_ACCOUNTS = 1_000;
/** How often a purchase is tried again when another process of the seller wrote first. */
const MAX_CONFLICTS = 8;

export interface LedgerOptions {
  /** Seconds since 1970. */
  now: () => number;
  /** All that was received on a channel, in base units, if it is in memory. */
  paid: (channelId: Hex) => bigint | undefined;
}

/** The accounts of every open channel. */
export class ChunkLedger {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #paid: (channelId: Hex) => bigint | undefined;
  readonly #accounts = new Map<Hex, Promise<Account>>();

  constructor(store: Store, { now, paid }: LedgerOptions) {
    this.#store = store;
    this.#now = now;
    this.#paid = paid;
  }

  /**
   * Buys a chunk with what is unspent, once. When this resolves, it is stored.
   *
   * @throws {MillstreamError} LEDGER_FULL if the chunks of the channel lie in too many places; STORE_FAILED, STORE_CONFLICT:
   *   nothing was bought
   */
  async buy(purchase: Purchase, received: Received): Promise<Outcome> {
    for (let conflicts = 0; ; conflicts++) {
      const account = await this.#account(purchase.channelId);
      this.#credited(account, received);
      const outcome = this.#decide(account, purchase);
      try {
        if (outcome.bought !== "no") await this.#durable(account);
        return outcome;
      } catch (error) {
        const again = isMillstreamError(error) && error.code === "STORE_CONFLICT" && conflicts < MAX_CONFLICTS;
        if (!again) throw error;
      }
    }
  }

  /**
   * Takes a payment in, and buys a chunk with it in the same write. `order` says which, from what came in.
   *
   * Without a purchase the payment is stored and nothing was bought: {@link buy} says why, or does it. So it is for what can be
   * had without a write, and while another write of the account is under way.
   *
   * @throws {MillstreamError} what `pay` throws: nothing was bought
   */
  async payAndBuy<R extends Received>(
    channelId: Hex,
    order: (taken: TakenIn) => Purchase | undefined,
    pay: Pay<R>,
  ): Promise<{ received: R; bought?: Bought }> {
    const account = await this.#account(channelId);
    let bought: Bought | undefined;
    let end = (_?: unknown) => {};
    try {
      const received = await pay((taken) => {
        const purchase = order(taken);
        if (!purchase || account.void || account.writing || account.stored !== account.changes) return undefined;
        const outcome = this.#decideOn(account, purchase, taken);
        if (outcome?.bought !== "now") return undefined;
        const { key, version, changes } = account;
        bought = { purchase, outcome };
        end = this.#writingElsewhere(account, changes);
        return { key, expectedVersion: version, bytes: encodeLedger(channelId, account) };
      });
      end();
      return { received, ...(bought && { bought }) };
    } catch (error) {
      end(error);
      const again = bought && isMillstreamError(error) && error.code === "STORE_CONFLICT";
      if (!again) throw error;
      // Another process of the seller wrote one of the two: the payment may do without the purchase.
      return { received: await pay(() => undefined) };
    }
  }

  /** Whether a chunk was bought on a quote. */
  async has(channelId: Hex, quoteHash: Hex, index: number): Promise<boolean> {
    const account = await this.#account(channelId);
    return account.quotes.get(quoteHash)?.bought.has(index) === true;
  }

  /** Undoes a purchase, once: what was sold could not be delivered. */
  async undo({ channelId, quote, index, price }: Purchase): Promise<void> {
    const account = await this.#account(channelId);
    const bought = account.quotes.get(quote.hash)?.bought;
    if (!bought?.has(index)) return;
    bought.delete(index);
    account.spent = account.spent > price ? account.spent - price : 0n;
    account.changes += 1;
    await this.#durable(account);
  }

  /** What a channel can spend or owes, in base units, and what it bought on a quote, as bounds of runs. */
  async statement(
    channelId: Hex,
    quoteHash: Hex,
    received: Received,
  ): Promise<{ unspent: bigint; owed: bigint; bought: readonly number[] }> {
    const account = await this.#account(channelId);
    this.#credited(account, received);
    await this.#durable(account);
    const unspent = unspentOf(account);
    return {
      unspent: unspent > 0n ? unspent : 0n,
      owed: unspent < 0n ? -unspent : 0n,
      bought: account.quotes.get(quoteHash)?.bought.bounds ?? [],
    };
  }

  /** What a channel can spend of what was received on it, in base units; below zero if it was served ahead of payment. */
  async unspent(channelId: Hex, received: Received): Promise<bigint> {
    const account = await this.#account(channelId);
    this.#credited(account, received);
    return unspentOf(account);
  }

  /** Both sides agreed anew what the seller has received on a channel, in base units; it may be less than before. */
  async agreed(channelId: Hex, received: bigint): Promise<void> {
    // What is not in memory is compared when it is read.
    const account = await this.#accounts.get(channelId);
    if (!account) return;
    // Nobody comes to owe something by being given something back.
    const owed = -unspentOf(account);
    this.#limit(account, received, owed < 0n ? 0n : owed);
    account.received = received;
  }

  /** Forgets a channel that is over. */
  async drop(channelId: Hex): Promise<void> {
    const account = await this.#account(channelId);
    await account.writing?.catch(() => {});
    account.void = true;
    this.#accounts.delete(channelId);
    if (account.version === 0) return;
    await this.#store.commit([{ key: account.key, expectedVersion: account.version, bytes: undefined }]);
  }

  #decide(account: Account, { quote, index, price, credit }: Purchase): Outcome {
    const entry: LedgerQuote = account.quotes.get(quote.hash) ?? {
      expiresAt: quote.expiresAt,
      bought: new ChunkRanges(),
    };
    if (entry.bought.has(index)) return { bought: "before", count: entry.bought.size };
    const unspent = unspentOf(account);
    if (unspent + credit < price) return { bought: "no", unspent };
    this.#forgetExpired(account);
    const runs = [...account.quotes.values()].reduce((sum, { bought }) => sum + bought.runs, 0);
    if (runs >= MAX_RUNS && !entry.bought.extends(index))
      throw new MillstreamError(
        "LEDGER_FULL",
        `the chunks bought on this channel lie in ${runs} places: ask for one beside them, or use another channel`,
      );
    entry.bought.add(index);
    account.quotes.set(quote.hash, entry);
    account.spent += price;
    if (credit > account.credit) account.credit = credit;
    account.changes += 1;
    return { bought: "now", count: entry.bought.size };
  }

  /** What comes of a purchase with what was taken in, if that is known now. Unless it is bought, nothing has changed. */
  #decideOn(account: Account, purchase: Purchase, taken: Received): Outcome | undefined {
    const before = account.received;
    this.#credited(account, taken);
    try {
      const outcome = this.#decide(account, purchase);
      if (outcome.bought === "now") return outcome;
    } catch (error) {
      if (!isMillstreamError(error)) throw error;
    }
    account.received = before;
    return undefined;
  }

  #credited(account: Account, { cumulativeAmount }: Received): void {
    // Payments that came in one after the other may get here in another order.
    if (cumulativeAmount > account.received) account.received = cumulativeAmount;
  }

  /** No channel has spent more than was received, and the credit: what was given back to the buyer is not owed once more. */
  #limit(account: Account, received: bigint, owed = account.credit): void {
    const most = received + (owed < account.credit ? owed : account.credit);
    if (account.spent <= most) return;
    account.spent = most;
    account.changes += 1;
  }

  #forgetExpired({ quotes }: Account): void {
    const now = this.#now();
    for (const [hash, { expiresAt }] of quotes) if (expiresAt <= now) quotes.delete(hash);
  }

  // ---- storing ------------------------------------------------------------------------------------------------------

  async #account(channelId: Hex): Promise<Account> {
    for (;;) {
      let loading = this.#accounts.get(channelId);
      if (loading) this.#accounts.delete(channelId);
      else {
        this.#evict();
        loading = this.#load(channelId);
      }
      // At the end: those that were not used for longest come first.
      this.#accounts.set(channelId, loading);
      const account = await loading.catch((error: unknown) => {
        this.#forget(channelId, loading);
        throw error;
      });
      if (!account.void) return account;
      this.#forget(channelId, loading);
    }
  }

  async #load(channelId: Hex): Promise<Account> {
    const key = ledgerKey(channelId);
    const [record] = await this.#using(() => this.#store.read([key]));
    const { version = 0, bytes } = record ?? {};
    const known = bytes
      ? decodeLedger(channelId, bytes)
      : { spent: 0n, credit: 0n, quotes: new Map<Hex, LedgerQuote>() };
    const state = { received: 0n, changes: 0, stored: 0, writing: undefined, void: false };
    const account: Account = { ...known, ...state, channelId, key, version };
    const paid = this.#paid(channelId);
    if (paid !== undefined) this.#limit(account, paid);
    return account;
  }

  /** Resolves when every change up to now is stored: what waits while one write is under way goes into the next. */
  async #durable(account: Account): Promise<void> {
    const wanted = account.changes;
    while (account.stored < wanted) {
      if (account.void) throw storeFailed();
      account.writing ??= this.#write(account).finally(() => (account.writing = undefined));
      await account.writing;
    }
  }

  async #write(account: Account): Promise<void> {
    const { channelId, key, version, changes } = account;
    const bytes = encodeLedger(channelId, account);
    try {
      await this.#using(() => this.#store.commit([{ key, expectedVersion: version, bytes }]));
    } catch (error) {
      // What was decided on it is void as well, and decided anew on what the store has.
      account.void = true;
      throw error;
    }
    account.version = version + 1;
    account.stored = changes;
  }

  /** The changes up to now are in a write of somebody else's, who calls what is returned when it is stored, or why it is not. */
  #writingElsewhere(account: Account, changes: number): (error?: unknown) => void {
    let settle = { resolve: () => {}, reject: (_: unknown) => {} };
    account.writing = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
    // Often nobody waits.
    account.writing.catch(() => {});
    return (error) => {
      account.writing = undefined;
      if (error !== undefined) {
        // As in a write of our own.
        account.void = true;
        return settle.reject(error);
      }
      account.version += 1;
      account.stored = changes;
      settle.resolve();
    };
  }

  async #using<T>(use: () => Promise<T>): Promise<T> {
    try {
      return await use();
    } catch (cause) {
      if (isMillstreamError(cause) && cause.code === "STORE_CONFLICT") throw cause;
      throw storeFailed(cause);
    }
  }

  #forget(channelId: Hex, loading: Promise<Account>): void {
    if (this.#accounts.get(channelId) === loading) this.#accounts.delete(channelId);
  }

  /** Drops the account that was not used for longest, if nothing of it is to be written. */
  #evict(): void {
    const [oldest] = this.#accounts;
    if (this.#accounts.size < MAX_ACCOUNTS || !oldest) return;
    const [channelId, loading] = oldest;
    void loading.then(
      (account) => {
        if (account.stored === account.changes) this.#forget(channelId, loading);
      },
      () => {},
    );
  }
}

function unspentOf({ received, spent }: Account): bigint {
  return received - spent;
}

function storeFailed(cause?: unknown): MillstreamError {
  const message = "the chunk ledger cannot be stored or read: nothing was charged; try again";
  return new MillstreamError("STORE_FAILED", message, { ...(cause !== undefined && { cause }) });
}
