// What a wallet knows of its purchases, in memory: for each channel and quote the newest payment, which chunks are
// bought, and what is signed away for chunks that did not arrive.

import type { Channel, PaymentHandle } from "./channel.js";
import { ChunkSet } from "./content.js";
import { decodePayment } from "./core.js";
import { isMillstreamError } from "./errors.js";
import type { Offer } from "./offer.js";
import type { Hex } from "./types.js";
import { withSignal } from "./waits.js";
import type { Wallet } from "./wallet.js";

/** What pays for a chunk in flight. */
export interface Ticket {
  readonly index: number;
  /** What the chunk costs now, in base units: 0 if it was bought before. */
  readonly amount: bigint;
  /** The payment that was made for it, or the newest one if there was enough already. */
  readonly payment: PaymentHandle;
}

/** How a chunk is paid for. */
export interface TicketOptions {
  /** The most that may be signed away for chunks that have not arrived, in base units. */
  readonly window: bigint;
  /** For how many more chunks to prepare payments. */
  readonly ticks: number;
  readonly signal: AbortSignal;
  /** Told when a payment is about to be signed. */
  readonly onPaying: () => void;
  /** Told when one was signed, in base units. */
  readonly onPaid: (amount: bigint) => void;
}

/** What a seller says of a channel. */
export interface Statement {
  /** The chunks that were bought on the quote. */
  readonly bought: readonly number[];
  /** What is paid on the channel and not spent, in base units. */
  readonly unspent: bigint;
}

/** Chunks on their way: what is reserved for each, and for how many that wait for it. */
interface Reservation {
  readonly payment: Promise<PaymentHandle>;
  users: number;
}

/** What one channel buys on one quote. */
export class Purchase {
  readonly channel: Channel;
  readonly offer: Offer;
  readonly #bought: ChunkSet;
  /** Takes an amount out of what is unspent on the channel from earlier times, if there is as much. */
  readonly #draw: (amount: bigint) => boolean;
  readonly #reserved = new Map<number, Reservation>();
  /** Of the vouchers that the seller is known to have. */
  readonly #known = new Set<number>();
  /** Asks the seller, once, what it knows from earlier times. */
  #learning: Promise<void> | undefined;
  #newest: PaymentHandle | undefined;
  /** How many payments are being signed. */
  #paying = 0;
  /** What is signed away for chunks that did not arrive, and can buy them. */
  #atRisk = 0n;
  /** What the seller says that it never got, or spent on nothing known here. */
  #denied = 0n;
  #change: { readonly happened: Promise<void>; readonly happen: () => void } = signal();

  constructor(channel: Channel, offer: Offer, draw: (amount: bigint) => boolean) {
    this.channel = channel;
    this.offer = offer;
    this.#draw = draw;
    this.#bought = new ChunkSet(offer.chunks);
  }

  /** What is signed away for chunks that did not arrive, in base units. */
  get atRisk(): bigint {
    return this.#atRisk + this.#denied;
  }

  /** Whether chunk `index` is paid for, and needs no further payment. */
  isBought(index: number): boolean {
    return this.#bought.has(index);
  }

  /** Runs `ask` the first time, and waits for it at every later one. If it fails, somebody else's `ask` is run. */
  async learn(ask: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (;;) {
      const learning = (this.#learning ??= ask());
      try {
        return await withSignal(learning, signal, "the download");
      } catch (error) {
        if (this.#learning === learning && !signal.aborted) this.#learning = undefined;
        const othersAborted = isMillstreamError(error) && error.code === "ABORTED" && !signal.aborted;
        if (!othersAborted) throw error;
      }
    }
  }

  /** What was bought in earlier times, by the seller's word; `claim` is the newest payment, if it was for this quote. */
  takeStatement(bought: readonly number[], claim: PaymentHandle | undefined): void {
    bought.forEach((index) => this.#bought.add(index));
    this.#newest ??= claim;
  }

  /** What was bought by now, by the seller's word: chunks on their way count when they are here. */
  reconcile(bought: readonly number[]): void {
    for (const index of bought) if (!this.#reserved.has(index)) this.setBought(index);
  }

  /** What is shown now: the newest payment, or `otherwise` if there is none; as short as it can be, or whole. */
  show(
    otherwise: PaymentHandle,
    whole = false,
  ): { readonly payment: PaymentHandle; readonly bytes: Uint8Array; readonly isWhole: boolean } {
    const payment = this.#newest ?? otherwise;
    const { serial, ticks } = payment;
    const isWhole = whole || ticks === 0 || !this.#known.has(serial) || this.#lastSerial() !== serial;
    return { payment, bytes: isWhole ? payment.claim : payment.bytes, isWhole };
  }

  /** The seller took a voucher: from now on its ticks can be shown alone. */
  setKnown({ serial }: PaymentHandle): void {
    this.#known.add(serial);
  }

  /**
   * Whatever pays for chunk `index`: nothing if it was bought, what is paid and not spent, or a new payment, once the window
   * has room for it. It is released with {@link release}.
   */
  async ticket(index: number, options: TicketOptions): Promise<Ticket> {
    for (;;) {
      if (this.isBought(index) && this.#newest) return { index, amount: 0n, payment: this.#newest };
      const { price } = this.offer;
      let reservation = this.#reserved.get(index);
      if (!reservation) {
        const reserved = price * BigInt(this.#reserved.size);
        // What is unspent from earlier times goes first, as soon as there is a payment to show for it.
        if (this.#newest && this.#atRisk - reserved < price && this.#draw(price)) this.#atRisk += price;
        const free = this.#atRisk - reserved;
        const isPaid = this.#newest !== undefined && free >= price;
        // Without any payment that can be shown, what is unspent cannot be used: one has to be made, and only one.
        const mustWait = this.#newest === undefined ? this.#paying > 0 : this.#atRisk + price > options.window;
        if (!isPaid && mustWait) {
          await withSignal(this.#change.happened, options.signal, "the download");
          continue;
        }
        reservation = {
          payment: this.#newest && isPaid ? Promise.resolve(this.#newest) : this.#pay(options),
          users: 0,
        };
        this.#reserved.set(index, reservation);
        reservation.payment.catch(() => {});
      }
      reservation.users += 1;
      try {
        return { index, amount: price, payment: await withSignal(reservation.payment, options.signal, "the download") };
      } catch (error) {
        this.release(index);
        throw error;
      }
    }
  }

  /** Whoever had a ticket for chunk `index` is done with it, successfully or not. */
  release(index: number): void {
    const reservation = this.#reserved.get(index);
    if (!reservation) return;
    reservation.users -= 1;
    if (reservation.users === 0) this.#reserved.delete(index);
    this.#changed();
  }

  /** Chunk `index` is bought: it arrived, or the seller says so. */
  setBought(index: number): void {
    if (this.isBought(index)) return;
    this.#bought.add(index);
    // Whoever else waits for it needs nothing reserved any more.
    this.#reserved.delete(index);
    this.#atRisk -= this.#atRisk < this.offer.price ? this.#atRisk : this.offer.price;
    this.#changed();
  }

  /** The seller does not know that chunk `index` was paid for: whether to pay once more is the owner's decision. */
  setForgotten(index: number): void {
    const { price } = this.offer;
    const denied = this.isBought(index) || this.#atRisk < price ? 0n : price;
    this.#bought.delete(index);
    this.#reserved.delete(index);
    this.#atRisk -= denied;
    this.#denied += denied;
    this.#changed();
  }

  /** The payments that were made cannot be shown any more: both sides signed a new split since. */
  setUnshowable(payment: PaymentHandle): void {
    if (this.#newest === payment) this.#newest = undefined;
  }

  /** Takes what is unspent over from the purchase on an earlier quote for the same content. */
  takeOver(earlier: Purchase): void {
    this.#atRisk += earlier.#atRisk;
    earlier.#atRisk = 0n;
  }

  async #pay({ ticks, onPaying, onPaid }: TicketOptions): Promise<PaymentHandle> {
    const { price, hash } = this.offer;
    this.#atRisk += price;
    this.#paying += 1;
    try {
      onPaying();
      const payment = await this.channel.pay(price, { memo: hash, ticks });
      this.#newest = payment;
      onPaid(payment.amount);
      return payment;
    } catch (error) {
      this.#atRisk -= price;
      throw error;
    } finally {
      this.#paying -= 1;
      this.#changed();
    }
  }

  /** Of the channel's newest voucher, if it is known. */
  #lastSerial(): number | undefined {
    try {
      return this.channel.lastSerial;
    } catch {
      // The channel is read anew after a failed write.
      return undefined;
    }
  }

  #changed(): void {
    const { happen } = this.#change;
    this.#change = signal();
    happen();
  }
}

/** The purchases of one wallet. */
export class Purchases {
  readonly #purchases = new Map<string, Purchase>();
  /** Channels that paid nothing before this wallet was opened: all that was bought on them is known here. */
  readonly #complete = new Map<Hex, boolean>();
  /** What was unspent on a channel when this wallet first asked, in base units, less what was drawn since. */
  readonly #unspent = new Map<Hex, bigint>();

  /** The purchase of an offer on a channel, made if there is none. */
  of(channel: Channel, offer: Offer): Purchase {
    const key = `${channel.id}${offer.hash}`;
    let purchase = this.#purchases.get(key);
    if (!purchase) {
      this.#forgetClosed();
      if (!this.#complete.has(channel.id)) this.#complete.set(channel.id, channel.paid === 0n);
      const draw = (amount: bigint) => this.#draw(channel.id, amount);
      this.#purchases.set(key, (purchase = new Purchase(channel, offer, draw)));
    }
    return purchase;
  }

  /** Whether the seller may know of chunks that were bought on a channel, and this wallet not. */
  isComplete(channel: Channel): boolean {
    return this.#complete.get(channel.id) === true;
  }

  /** What is unspent on a channel, by the seller's word. Only the first one counts: later ones are mixed with what is bought. */
  setUnspent({ id }: Channel, amount: bigint): void {
    if (!this.#unspent.has(id)) this.#unspent.set(id, amount);
  }

  #draw(channelId: Hex, amount: bigint): boolean {
    const unspent = this.#unspent.get(channelId) ?? 0n;
    if (unspent < amount) return false;
    this.#unspent.set(channelId, unspent - amount);
    return true;
  }

  #forgetClosed(): void {
    for (const [key, { channel }] of this.#purchases)
      if (channel.status === "closed" || channel.status === "aborted") {
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

/** Something that happens once. */
function signal(): { readonly happened: Promise<void>; readonly happen: () => void } {
  let happen = () => {};
  const happened = new Promise<void>((resolve) => (happen = resolve));
  return { happened, happen };
}
