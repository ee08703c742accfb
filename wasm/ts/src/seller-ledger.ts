// The chunk ledger: what was paid on each channel for each quote, and which chunks that bought.
//
// It is kept in memory. What it protects is the buyer: a payment that came in is worth a chunk until one is served for
// it, and a chunk that was bought is served again free.

import { ChunkSet } from "./content.js";
import type { Hex } from "./types.js";

/** What one channel paid for one quote. */
export class Account {
  /** Of one chunk, in base units. */
  readonly price: bigint;
  readonly #bought: ChunkSet;
  #credit = 0n;
  #lastPayment: Uint8Array | undefined;

  constructor(price: bigint, chunks: number) {
    this.price = price;
    this.#bought = new ChunkSet(chunks);
  }

  /** How many chunks were bought. */
  get count(): number {
    return this.#bought.size;
  }

  /** What is paid and not spent on a chunk, in base units. */
  get unspent(): bigint {
    return this.#credit - this.price * BigInt(this.count);
  }

  /** Whether this is the payment that came in last, byte for byte: whoever shows it is the buyer. */
  isLastPayment(payment: Uint8Array): boolean {
    const last = this.#lastPayment;
    return last?.length === payment.length && last.every((byte, at) => byte === payment[at]);
  }

  /** Takes a payment in: `amount` base units are new. */
  credit(amount: bigint, payment: Uint8Array): void {
    this.#credit += amount;
    this.#lastPayment = payment.slice();
  }

  /** Buys chunk `index`, once. `false` if what is unspent is below the price. */
  buy(index: number): boolean {
    if (this.#bought.has(index)) return true;
    if (this.unspent < this.price) return false;
    this.#bought.add(index);
    return true;
  }
}

/** The accounts of every open channel. */
export class ChunkLedger {
  readonly #channels = new Map<Hex, Map<Hex, Account>>();

  /** The account of a channel for a quote, if anything was paid. */
  find(channelId: Hex, quoteHash: Hex): Account | undefined {
    return this.#channels.get(channelId)?.get(quoteHash);
  }

  /** The account of a channel for a quote, made if there is none. */
  open(channelId: Hex, quoteHash: Hex, { price, chunks }: { price: bigint; chunks: number }): Account {
    let accounts = this.#channels.get(channelId);
    if (!accounts) this.#channels.set(channelId, (accounts = new Map()));
    let account = accounts.get(quoteHash);
    if (!account) accounts.set(quoteHash, (account = new Account(price, chunks)));
    return account;
  }

  /** Forgets a channel that is over. */
  dropChannel(channelId: Hex): void {
    this.#channels.delete(channelId);
  }

  /** Forgets the accounts of quotes that hold no longer. */
  keepQuotes(holds: (quoteHash: Hex) => boolean): void {
    for (const [channelId, accounts] of this.#channels) {
      for (const hash of accounts.keys()) if (!holds(hash)) accounts.delete(hash);
      if (accounts.size === 0) this.#channels.delete(channelId);
    }
  }
}
