// What a wallet knows of its purchases, in memory: for each channel and quote the newest payment, which chunks are
// bought, and what is signed away for chunks that did not arrive.

import type { Channel, PaymentHandle } from "./channel.js";
import { ChunkSet } from "./content.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import type { Goods } from "./goods.js";
import { CreditBook } from "./metering.js";
import type { Offer } from "./offer.js";
import { withSignal } from "./waits.js";

/** What pays for a chunk in flight. */
export interface Ticket {
  readonly index: number;
  /** What the chunk costs now, in base units: 0 if it was bought before. */
  readonly amount: bigint;
  /** The payment that was made for it, or the newest one if there was enough already. */
  readonly payment: PaymentHandle;
  /** Whether it is reserved, and has to be released. */
  readonly isReserved: boolean;
}

/** How a chunk is paid for. */
export interface TicketOptions {
  /** The most that may be signed away for chunks that have not arrived, in base units. */
  readonly window: bigint;
  /** How far payment may lag behind what was asked for, in base units; without it, every chunk is paid for first. */
  readonly credit?: bigint | undefined;
  /** For how many more chunks to prepare payments. */
  readonly ticks: number;
  readonly signal: AbortSignal;
  /** Told when a payment is about to be signed. */
  readonly onPaying: () => void;
  /** Told when one was signed, in base units. */
  readonly onPaid: (amount: bigint) => void;
}

type PayingOptions = Pick<TicketOptions, "ticks" | "onPaying" | "onPaid">;

/** What a seller says of a channel. */
export interface Statement {
  /** The chunks that were bought on the quote. */
  readonly bought: readonly number[];
  /** What is paid on the channel and not spent, in base units. */
  readonly unspent: bigint;
  /** What was bought on the channel and is not paid, in base units. */
  readonly owed: bigint;
}

/** Chunks on their way: what is reserved for each, and for how many that wait for it. */
interface Reservation {
  readonly payment: Promise<PaymentHandle>;
  readonly cost: bigint;
  users: number;
}

/** More units than that are paid for in one payment: with a signature rather than a hash for each. */
const MAX_UNITS_APART = 16n;
/** The most ticks that a voucher has. */
export const MAX_TICKS = 255;

/** What one channel buys on one quote. */
export class Purchase {
  readonly channel: Channel;
  readonly goods: Goods;
  readonly offer: Offer;
  readonly #bought: ChunkSet;
  /** Takes an amount out of what is unspent on the channel from earlier times, if there is as much. */
  readonly #draw: (amount: bigint) => boolean;
  readonly #reserved = new Map<number, Reservation>();
  readonly #credit = new CreditBook();
  /** Of the vouchers that the seller is known to have. */
  readonly #known = new Set<number>();
  /** Asks the seller, once, what it knows from earlier times. */
  #learning: Promise<void> | undefined;
  #newest: PaymentHandle | undefined;
  /** The newest payment of earlier times: whatever it was for, it says who asks for what was bought. */
  #earlier: PaymentHandle | undefined;
  /** How many payments are being signed. */
  #paying = 0;
  /** What is signed away for chunks that did not arrive, and can buy them. */
  #atRisk = 0n;
  /** The seller serves nothing ahead of payment, whatever its quote says: there are older debts. */
  #noCredit = false;
  /** What the seller says that it never got, or spent on nothing known here. */
  #denied = 0n;
  #change: { readonly happened: Promise<void>; readonly happen: () => void } = signal();

  constructor(channel: Channel, goods: Goods, draw: (amount: bigint) => boolean) {
    this.channel = channel;
    this.goods = goods;
    this.offer = goods.offer;
    this.#draw = draw;
    this.#bought = new ChunkSet(goods.offer.chunks);
  }

  /** What is signed away for chunks that did not arrive, in base units. */
  get atRisk(): bigint {
    return this.#atRisk + this.#credit.ahead() + this.#denied;
  }

  /** The newest payment, if there is one that can be shown. */
  get newest(): PaymentHandle | undefined {
    return this.#newest;
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

  /** What was bought in earlier times, by the seller's word; `claim` is the newest payment, which may be for another quote. */
  takeStatement(bought: readonly number[], claim: PaymentHandle, isForThis: boolean): void {
    bought.forEach((index) => this.#bought.add(index));
    if (isForThis) this.#newest ??= claim;
    else this.#earlier = claim;
  }

  /** What was bought by now, by the seller's word: chunks on their way count when they are here. */
  reconcile(bought: readonly number[]): void {
    for (const index of bought) if (!this.#reserved.has(index)) this.setBought(index);
  }

  /** Nobody waits any more for a chunk that was asked for on credit: it did not come, or is not wanted. */
  giveUp(index: number, why: "lost" | "unwanted"): void {
    this.#credit.end(index, why);
    this.#changed();
  }

  /** The seller wants everything paid first. */
  setNoCredit(): void {
    this.#noCredit = true;
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
    const { signal, window, credit } = options;
    for (;;) {
      const isSpent = this.isBought(index) || (credit === undefined && this.#credit.has(index));
      const shown = this.#newest ?? (this.isBought(index) ? this.#earlier : undefined);
      if (isSpent && shown) return { index, amount: 0n, payment: shown, isReserved: false };
      if (credit !== undefined) {
        const ticket = await this.#onCredit(index, this.#noCredit ? 0n : credit, options);
        if (ticket) return ticket;
        continue;
      }
      const cost = this.goods.cost(index);
      let reservation = this.#reserved.get(index);
      if (!reservation) {
        const reserved = this.#reservedCost;
        // What is unspent from earlier times goes first, as soon as there is a payment to show for it.
        if (this.#newest && this.#atRisk - reserved < cost && this.#draw(cost)) this.#atRisk += cost;
        const free = this.#atRisk - reserved;
        const isPaid = this.#newest !== undefined && (free >= cost || cost === 0n);
        // Without any payment that can be shown, what is unspent cannot be used: one has to be made, and only one.
        const mustWait =
          this.#newest === undefined ? this.#paying > 0 : this.#atRisk + this.#credit.ahead() + cost > window;
        if (!isPaid && mustWait) {
          await withSignal(this.#change.happened, signal, "the download");
          continue;
        }
        reservation = {
          payment: this.#newest && isPaid ? Promise.resolve(this.#newest) : this.#payAhead(cost, index, options),
          cost,
          users: 0,
        };
        this.#reserved.set(index, reservation);
        reservation.payment.catch(() => {});
      }
      reservation.users += 1;
      try {
        const payment = await withSignal(reservation.payment, signal, "the download");
        return { index, amount: cost, payment, isReserved: true };
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
    const cost = this.goods.cost(index);
    if (!this.#credit.arrived(index)) this.#atRisk -= this.#atRisk < cost ? this.#atRisk : cost;
    this.#changed();
  }

  /** The seller does not know that chunk `index` was paid for: whether to pay once more is the owner's decision. */
  setForgotten(index: number): void {
    const cost = this.goods.cost(index);
    const isCovered = !this.isBought(index) && this.#atRisk >= cost;
    const onCredit = this.#credit.has(index);
    const denied = onCredit ? this.#credit.undo(index) : isCovered ? cost : 0n;
    this.#bought.delete(index);
    this.#reserved.delete(index);
    if (!onCredit) this.#atRisk -= denied;
    this.#denied += denied;
    this.#changed();
  }

  /** Whether a payment was made for something else. */
  isForeign(payment: PaymentHandle): boolean {
    return this.#earlier === payment;
  }

  /** A payment cannot be shown any more: both sides signed a new split since, or it is for something else. */
  setUnshowable(payment: PaymentHandle): void {
    if (this.#newest === payment) this.#newest = undefined;
    if (this.#earlier === payment) this.#earlier = undefined;
  }

  /** Takes what is unspent over from the purchase on an earlier quote for the same content. */
  takeOver(earlier: Purchase): void {
    this.#atRisk += earlier.#atRisk;
    earlier.#atRisk = 0n;
    this.#credit.takeOver(earlier.#credit);
  }

  /** That much is owed on the channel from earlier times, in base units. */
  takeDebt(amount: bigint): void {
    this.#credit.owe(amount);
  }

  /** What is owed for chunks that were asked for on credit, in base units. */
  get owed(): bigint {
    return this.#credit.owed;
  }

  /** Pays `amount` of what is owed, or less if less is owed. */
  async settle(amount: bigint, options: Pick<TicketOptions, "onPaid" | "signal">): Promise<void> {
    while (this.#paying > 0) await withSignal(this.#change.happened, options.signal, "paying");
    const due = amount < this.owed ? amount : this.owed;
    if (due > 0n) await this.#payOwed(due, undefined, { ticks: MAX_TICKS, onPaying: () => {}, ...options });
  }

  /** A ticket for who pays later; nothing if something happened while it waited. */
  async #onCredit(index: number, credit: bigint, options: TicketOptions): Promise<Ticket | undefined> {
    const { price } = this.offer;
    const isNew = !this.#credit.has(index);
    const cost = isNew ? this.goods.cost(index) : 0n;
    const { remaining } = this.channel;
    const reserved = this.#reservedCost;
    const free = this.#atRisk > reserved ? this.#atRisk - reserved : 0n;
    // Nobody lends more than the channel can pay.
    const owed = this.owed + cost - free;
    if (isNew && owed > remaining) throw this.#usedUp(owed);
    const lent = credit < remaining ? credit : remaining;
    let due = this.#credit.due(cost - free, { price, credit: lent });
    // Some payment has to be shown: it says who asks.
    if (!this.#newest && due === 0n) due = price;
    const isFull = this.#newest !== undefined && this.#atRisk + this.#credit.ahead(due) > options.window;
    if (due > 0n && (isFull || this.#paying > 0)) {
      if (this.#paying === 0 && !this.#credit.isWaiting && this.#reserved.size === 0) throw exhausted(this.atRisk);
      return void (await withSignal(this.#change.happened, options.signal, "the download"));
    }
    const amount = this.#credit.ask(index, cost);
    this.#atRisk += this.#credit.pay(free) - free;
    try {
      if (due > 0n && this.#newest && this.#draw(due)) this.#atRisk += this.#credit.pay(due);
      else if (due > 0n) await this.#payOwed(due, index, options);
    } catch (error) {
      if (isNew) this.#atRisk += this.#credit.undo(index);
      this.#changed();
      throw error;
    }
    return this.#newest && { index, amount, payment: this.#newest, isReserved: false };
  }

  /** What the chunks on their way cost. */
  get #reservedCost(): bigint {
    let sum = 0n;
    for (const { cost } of this.#reserved.values()) sum += cost;
    return sum;
  }

  /** Pays for a chunk before it is asked for: at least a unit, since some payment has to be shown. */
  async #payAhead(cost: bigint, index: number, options: PayingOptions): Promise<PaymentHandle> {
    const amount = cost > 0n ? cost : this.offer.price;
    let unpaid = amount;
    this.#atRisk += amount;
    try {
      return await this.#pay(amount, index, options, (part) => (unpaid -= part));
    } catch (error) {
      this.#atRisk -= unpaid;
      throw error;
    }
  }

  #payOwed(amount: bigint, index: number | undefined, options: PayingOptions): Promise<PaymentHandle> {
    return this.#pay(amount, index, options, (part) => (this.#atRisk += this.#credit.pay(part)));
  }

  /** Pays unit by unit as long as these are few, since each is then a tick. */
  async #pay(
    amount: bigint,
    index: number | undefined,
    { ticks, onPaying, onPaid }: PayingOptions,
    onPart: (amount: bigint) => void,
  ): Promise<PaymentHandle> {
    const { price } = this.offer;
    const units = amount / price;
    const parts = amount % price === 0n && units <= MAX_UNITS_APART ? Number(units) : 1;
    const each = amount / BigInt(parts);
    this.#paying += 1;
    try {
      onPaying();
      for (let part = parts; ; part--) {
        const prepared = Math.min(MAX_TICKS, parts * ticks + part - 1);
        const payment = await this.#sign(each, prepared, index);
        this.#newest = payment;
        onPart(each);
        onPaid(each);
        if (part === 1) return payment;
      }
    } catch (error) {
      throw isMillstreamError(error) && error.code === "INSUFFICIENT_BALANCE" ? this.#usedUp(each, error) : error;
    } finally {
      this.#paying -= 1;
      this.#changed();
    }
  }

  /** The one place where a purchase pays, and says for what. */
  #sign(amount: bigint, ticks: number, index: number | undefined): Promise<PaymentHandle> {
    const { hash: memo, url, contentRoot: file } = this.offer;
    return this.channel.pay(amount, { memo, ticks, origin: new URL(url).origin, file, url: this.#url(index), index });
  }

  #url(index: number | undefined): string {
    return index === undefined ? this.offer.url : this.goods.place(index).url;
  }

  /** The core's word for it has not what to do next. */
  #usedUp(cost: bigint, cause?: unknown): MillstreamError {
    const { id: channelId, remaining } = this.channel;
    const missing = cost - remaining;
    const message =
      `the channel is used up: the next chunk costs ${cost} base units, ${remaining} are left, ${missing} are ` +
      `missing. Top it up, or open another one: chunks that were received are not paid for again`;
    return new MillstreamError("INSUFFICIENT_BALANCE", message, { cause, details: { channelId, missing } });
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

function exhausted(atRisk: bigint): MillstreamError {
  return new MillstreamError(
    "WINDOW_EXHAUSTED",
    `${atRisk} base units are paid for what did not arrive: nothing more is paid until it does, or with a larger window`,
    { details: { atRisk } },
  );
}

/** Something that happens once. */
function signal(): { readonly happened: Promise<void>; readonly happen: () => void } {
  let happen = () => {};
  const happened = new Promise<void>((resolve) => (happen = resolve));
  return { happened, happen };
}
