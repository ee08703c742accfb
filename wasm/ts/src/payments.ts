// Payments under way: signed or accepted, and not yet known to be stored.

import { claimOf, decodePayment } from "./core.js";
import { Driver, now, type Payment } from "./driver.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import type { Hex, Purchase, SpendRefusal, TakenIn, Write } from "./types.js";

/** A payment that the owner has to decide about: the rule, by how much it is above it, and the channel that would pay. */
export interface SpendQuestion extends SpendRefusal {
  channelId: Hex;
}

/** Asks the owner. Whatever is not `true` is a no. */
export type OnAsk = (question: SpendQuestion) => boolean | Promise<boolean>;

/** A payment that may leave: it is stored. */
export interface PaymentHandle {
  readonly channelId: Hex;
  /** Of its voucher. */
  readonly serial: number;
  /** How many ticks of the voucher it pays; 0 for the voucher itself. */
  readonly ticks: number;
  /** What it pays beyond the payment before, in base units. */
  readonly amount: bigint;
  /** All that was paid on the channel with it, in base units. */
  readonly cumulativeAmount: bigint;
  /** What travels: the signed voucher, or the preimage of a tick. */
  readonly bytes: Uint8Array;
  /** The same together with its voucher, for a seller that does not have that. */
  readonly claim: Uint8Array;
  /** How long signing took, in milliseconds. */
  readonly signMs: number;
}

/** What a payment is for, as far as who paid said it. */
export interface PaidFor {
  /** Of the seller: `https://films.example`. */
  readonly origin?: string | undefined;
  /** Where what is paid for is. */
  readonly url?: string | undefined;
  /** Which chunk of it. */
  readonly index?: number | undefined;
}

/** A payment that was accepted and stored. */
export interface PaymentReceived {
  channelId: Hex;
  /** Of the best voucher by now. */
  serial: number;
  /** How many of its ticks are paid by now. */
  ticks: number;
  /** What is new, in base units: 0 if as much came before. */
  amount: bigint;
  /** All that is paid on the channel by now, in base units. */
  cumulativeAmount: bigint;
  /** What it pays for: the hash of a quote, or zero. */
  memo: Hex;
}

/**
 * Asked for a write that is to be stored together with a payment, once the payment is taken in and as far as it brings something
 * new. It must not throw.
 */
export type PaidWith = (taken: TakenIn) => Write | undefined;

/** How long a payment waits for a channel that is busy, in milliseconds. */
const LONGEST_WAIT = 30_000;

/** What is remembered of a payment that was ordered. */
interface Order {
  readonly signMs: number;
  readonly paidFor: PaidFor;
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Waits in the order in which they began, per channel: the core answers in that order. */
class Queue<W extends { reject(error: unknown): void }> {
  readonly #waiting = new Map<Hex, W[]>();

  push(channelId: Hex, wait: W): void {
    const waiting = this.#waiting.get(channelId);
    if (waiting) waiting.push(wait);
    else this.#waiting.set(channelId, [wait]);
  }

  shift(channelId: Hex): W | undefined {
    return this.#take(channelId, (waiting) => waiting.shift());
  }

  pop(channelId: Hex): W | undefined {
    return this.#take(channelId, (waiting) => waiting.pop());
  }

  #take(channelId: Hex, take: (waiting: W[]) => W | undefined): W | undefined {
    const waiting = this.#waiting.get(channelId) ?? [];
    const taken = take(waiting);
    if (waiting.length === 0) this.#waiting.delete(channelId);
    return taken;
  }

  rejectAll(error: MillstreamError, channelId?: Hex): void {
    for (const key of channelId === undefined ? [...this.#waiting.keys()] : [channelId]) {
      const waiting = this.#waiting.get(key) ?? [];
      this.#waiting.delete(key);
      for (const wait of waiting) wait.reject(error);
    }
  }
}

export class Payments {
  readonly #driver: Driver;
  readonly #sent = new Queue<Waiting<PaymentHandle> & Order>();
  readonly #received = new Queue<Waiting<PaymentReceived>>();
  /** The last voucher that left, per channel. */
  readonly #vouchers = new Map<Hex, { serial: number; bytes: Uint8Array }>();
  /** Told of every payment that may leave. */
  readonly #onPayment: (payment: PaymentHandle, paidFor: PaidFor) => void;
  readonly #onAsk: OnAsk | undefined;

  constructor(driver: Driver, onPayment: (payment: PaymentHandle, paidFor: PaidFor) => void, onAsk?: OnAsk) {
    this.#driver = driver;
    this.#onPayment = onPayment;
    this.#onAsk = onAsk;
    driver.signals.on("payment", (output) => {
      const { channelId, serial, ticks, amount, cumulativeAmount, bytes } = output;
      const wait = this.#sent.shift(channelId);
      const claim = this.#claim(output);
      const payment = { channelId, serial, ticks, amount, cumulativeAmount, bytes, claim, signMs: wait?.signMs ?? 0 };
      wait?.resolve(payment);
      this.#onPayment(payment, wait?.paidFor ?? {});
    });
    driver.signals.on("event", (event) => {
      if (event.type !== "paymentReceived") return;
      const { channelId, serial, ticks, amount, cumulativeAmount, memo } = event;
      this.#received.shift(channelId)?.resolve({ channelId, serial, ticks, amount, cumulativeAmount, memo });
    });
    driver.signals.on("ask", ({ id, channelId, question }) => {
      // The payment that was just ordered. It takes its place again when the owner said yes.
      const wait = this.#sent.pop(channelId);
      if (wait) void this.#ask(id, { ...question, channelId }, wait);
    });
    driver.signals.on("signFailed", ({ channelId, purpose, error }) => {
      // While one voucher waits for its signature there is no later one.
      if (purpose === "voucher") this.#sent.pop(channelId)?.reject(error);
    });
    driver.signals.on("storeFailed", ({ channelId, error }) => {
      this.#sent.rejectAll(error, channelId);
      this.#received.rejectAll(error, channelId);
    });
    driver.stopped.addEventListener("abort", () => {
      const error = new MillstreamError("WALLET_STOPPED", "the wallet was stopped before the payment was stored");
      this.#sent.rejectAll(error);
      this.#received.rejectAll(error);
    });
  }

  /**
   * Payer: resolves when the payment may leave. While a signer outside signs the payment before, or while the other side
   * agrees to a new split, it waits for that.
   */
  async pay(
    channelId: Hex,
    amount: bigint,
    purchase: Purchase,
    ticks: number,
    paidFor: PaidFor,
  ): Promise<PaymentHandle> {
    const patience = Date.now() + LONGEST_WAIT;
    for (;;) {
      try {
        return await this.#sign(channelId, amount, purchase, ticks, paidFor);
      } catch (error) {
        const busy = isMillstreamError(error) && error.code === "CHANNEL_BUSY";
        if (!busy || !(await this.#change(channelId, patience - Date.now()))) throw error;
      }
    }
  }

  /** Payee: resolves when the payment is stored, and what `along` gives with it. */
  async receive(bytes: Uint8Array, along: PaidWith = () => undefined): Promise<PaymentReceived> {
    const { promise, ...wait } = waiting<PaymentReceived>();
    let paid: Hex | undefined;
    await this.#driver.runLoaded(
      (core) => this.#received.push((paid = core.payment(bytes, now())), wait),
      undefined,
      ({ writes }) => {
        const channelId = paid;
        if (channelId === undefined || !writes.some(({ key }) => key === channelId)) return undefined;
        // Whoever is told of it may take steps of its own, on the same channel.
        paid = undefined;
        const taken = this.#driver.core.taken(channelId);
        return taken && along(taken);
      },
    );
    return promise;
  }

  /** Payer: of the last voucher that left, if one did since this wallet was started. */
  lastSerial(channelId: Hex): number | undefined {
    return this.#vouchers.get(channelId)?.serial;
  }

  /** A payment that leaves now, together with its voucher. */
  #claim({ channelId, serial, ticks, bytes }: Payment): Uint8Array {
    if (ticks === 0) {
      this.#vouchers.set(channelId, { serial, bytes });
      return bytes;
    }
    let voucher = this.#vouchers.get(channelId);
    if (voucher?.serial !== serial) {
      // It left before this wallet was started: it is stored.
      const stored = this.#driver.core.claim(channelId);
      if (stored === undefined || decodePayment(stored).serial !== serial) return bytes;
      this.#vouchers.set(channelId, (voucher = { serial, bytes: stored }));
    }
    return claimOf(voucher.bytes, bytes);
  }

  async #sign(
    channelId: Hex,
    amount: bigint,
    purchase: Purchase,
    ticks: number,
    paidFor: PaidFor,
  ): Promise<PaymentHandle> {
    const { promise, ...wait } = waiting<PaymentHandle>();
    await this.#driver.runLoaded((core) => {
      const start = performance.now();
      core.pay(channelId, amount, purchase, ticks, now());
      this.#sent.push(channelId, { ...wait, paidFor, signMs: performance.now() - start });
    });
    return promise;
  }

  /** Asks the owner, and pays if the answer is yes. */
  async #ask(id: number, question: SpendQuestion, wait: Waiting<PaymentHandle> & Order): Promise<void> {
    const { channelId, amount, limit } = question;
    let granted = false;
    let cause: unknown;
    try {
      granted = (await this.#onAsk?.(question)) === true;
    } catch (error) {
      cause = error;
    }
    if (this.#driver.stopped.aborted)
      return wait.reject(new MillstreamError("WALLET_STOPPED", "the wallet was stopped before the owner answered"));
    try {
      await this.#driver.runLoaded((core) => {
        core.answered(id, granted, now());
        if (granted) this.#sent.push(channelId, wait);
      });
    } catch (error) {
      return wait.reject(error);
    }
    if (granted) return;
    const why = this.#onAsk ? "the owner said no" : "nobody can be asked: open the wallet with onAsk";
    wait.reject(
      new MillstreamError("SPEND_DECLINED", `paying ${amount} base units is above ${limit}, and ${why}`, {
        ...(cause !== undefined && { cause }),
        details: { channelId, refusal: question },
      }),
    );
  }

  /** Waits until something happens to a channel, at most `ms` milliseconds; says whether it did. */
  async #change(channelId: Hex, ms: number): Promise<boolean> {
    const { signals, stopped } = this.#driver;
    const ends: (() => void)[] = [];
    try {
      return await new Promise<boolean>((resolve) => {
        const changed = (event: { channelId: Hex }) => event.channelId === channelId && resolve(true);
        ends.push(signals.on("event", changed), signals.on("payment", changed), signals.on("storeFailed", changed));
        const timer = setTimeout(() => resolve(false), Math.max(ms, 0));
        ends.push(() => clearTimeout(timer));
        const stop = () => resolve(true);
        stopped.addEventListener("abort", stop, { once: true });
        ends.push(() => stopped.removeEventListener("abort", stop));
      });
    } finally {
      for (const end of ends) end();
    }
  }
}

/** A promise, and what settles it. */
function waiting<T>(): Waiting<T> & { promise: Promise<T> } {
  let settle: Waiting<T> = { resolve: () => {}, reject: () => {} };
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}
