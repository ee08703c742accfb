// The purchases of a wallet: what it buys with each channel on each quote, and what is unspent from earlier times.

import type { Channel, PaymentHandle } from "./channel.js";
import { decodePayment } from "./core.js";
import { Purchase, type Statement } from "./download-purchases.js";
import type { Goods } from "./goods.js";
import { isOver } from "./parts.js";
import type { Hex } from "./types.js";
import type { Wallet } from "./wallet.js";

/** The purchases of one wallet. */
export class Purchases {
  readonly #purchases = new Map<string, Purchase>();
  /** Channels that paid nothing before this wallet was opened: all that was bought on them is known here. */
  readonly #complete = new Map<Hex, boolean>();
  /** What was unspent on a channel when this wallet first asked, in base units, less what was drawn since. */
  readonly #unspent = new Map<Hex, bigint>();

  /** The purchase of some goods on a channel, made if there is none. */
  of(channel: Channel, goods: Goods): Purchase {
    const key = `${channel.id}${goods.offer.hash}`;
    let purchase = this.#purchases.get(key);
    if (!purchase) {
      this.#forgetClosed();
      if (!this.#complete.has(channel.id)) this.#complete.set(channel.id, channel.paid === 0n);
      const draw = (amount: bigint) => this.#draw(channel.id, amount);
      this.#purchases.set(key, (purchase = new Purchase(channel, goods, draw)));
    }
    return purchase;
  }

  /** Whether the seller may know of chunks that were bought on a channel, and this wallet not. */
  isComplete(channel: Channel): boolean {
    return this.#complete.get(channel.id) === true;
  }

  /** What is unspent or owed on a channel, by the seller's word. Only the first one counts: later ones are mixed with what is bought. */
  takeBalance(purchase: Purchase, { unspent, owed }: Statement): void {
    const { id } = purchase.channel;
    if (this.#unspent.has(id)) return;
    this.#unspent.set(id, unspent);
    purchase.takeDebt(owed);
  }

  #draw(channelId: Hex, amount: bigint): boolean {
    const unspent = this.#unspent.get(channelId) ?? 0n;
    if (unspent < amount) return false;
    this.#unspent.set(channelId, unspent - amount);
    return true;
  }

  #forgetClosed(): void {
    for (const [key, { channel }] of this.#purchases)
      if (isOver(channel.status)) {
        this.#purchases.delete(key);
        this.#complete.delete(channel.id);
        this.#unspent.delete(channel.id);
      }
  }
}

const purchases = new WeakMap<Wallet, Purchases>();

/** The purchases of a wallet. */
export function purchasesOf(wallet: Wallet): Purchases {
  let known = purchases.get(wallet);
  if (!known) purchases.set(wallet, (known = new Purchases()));
  return known;
}

/** A payment of an earlier time as it can be shown now. */
export function earlierPayment(
  channel: Channel,
  claim: Uint8Array,
): PaymentHandle & { readonly memo: Hex | undefined } {
  const { serial, ticks, memo } = decodePayment(claim);
  return {
    channelId: channel.id,
    serial,
    ticks,
    memo,
    amount: 0n,
    cumulativeAmount: channel.paid,
    bytes: claim,
    claim,
    signMs: 0,
  };
}
