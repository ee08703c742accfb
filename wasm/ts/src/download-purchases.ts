// What a wallet remembers of its purchases, in memory: for each channel and quote the last payment, whether its chunk
// arrived, and which chunks are paid for.

import type { Channel, PaymentHandle } from "./channel.js";
import { ChunkSet } from "./content.js";
import type { Offer } from "./offer.js";
import { Turns } from "./turns.js";
import type { Wallet } from "./wallet.js";

/** A payment whose chunk has not arrived. */
export interface Pending {
  readonly index: number;
  /** Whether the seller is known to have taken the payment. */
  taken: boolean;
}

/** What one channel buys on one quote. */
export class Purchase {
  readonly channel: Channel;
  /** Of one chunk, in base units. */
  readonly price: bigint;
  /** The newest payment: shown for whatever is paid for already. */
  payment: PaymentHandle | undefined;
  /** Set while the newest payment has not brought its chunk. */
  pending: Pending | undefined;
  /** The offer that it was made on, to show the payment there again. */
  readonly offer: Offer;
  readonly #bought: ChunkSet;

  constructor(channel: Channel, offer: Offer) {
    this.channel = channel;
    this.offer = offer;
    this.#bought = new ChunkSet(offer.chunks);
    this.price = offer.price;
  }

  /** What is signed away for a chunk that did not arrive, in base units. */
  get atRisk(): bigint {
    return this.pending ? (this.payment?.amount ?? 0n) : 0n;
  }

  /** Whether chunk `index` is paid for, and needs no further payment. */
  isBought(index: number): boolean {
    return this.#bought.has(index);
  }

  /** The seller has spent a payment on chunk `index`. */
  setBought(index: number): void {
    this.#bought.add(index);
    if (this.pending?.index === index) this.pending = undefined;
  }

  /** The seller does not know any more that chunk `index` was paid for. */
  setForgotten(index: number): void {
    this.#bought.delete(index);
  }
}

/** The purchases of one wallet. */
export class Purchases {
  readonly #purchases = new Map<string, Purchase>();
  /** One request after the other on each channel: a payment that overtook an older one would make that one stale. */
  readonly turns = new Turns();

  /** The purchase of an offer on a channel, made if there is none. */
  of(channel: Channel, offer: Offer): Purchase {
    const key = `${channel.id}${offer.hash}`;
    let purchase = this.#purchases.get(key);
    if (!purchase) {
      this.#forgetClosed();
      this.#purchases.set(key, (purchase = new Purchase(channel, offer)));
    }
    return purchase;
  }

  /** The other purchases on its channel with a payment that the seller may not have. */
  unsettledBeside(purchase: Purchase): Purchase[] {
    return [...this.#purchases.values()].filter(
      (other) => other !== purchase && other.channel.id === purchase.channel.id && other.pending?.taken === false,
    );
  }

  #forgetClosed(): void {
    for (const [key, { channel }] of this.#purchases)
      if (channel.status === "closed" || channel.status === "aborted") this.#purchases.delete(key);
  }
}

const purchases = new WeakMap<Wallet, Purchases>();

/** The purchases of a wallet. */
export function purchasesOf(wallet: Wallet): Purchases {
  let known = purchases.get(wallet);
  if (!known) purchases.set(wallet, (known = new Purchases()));
  return known;
}
