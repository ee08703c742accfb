// One channel of a wallet.

import {
  closeChannel,
  leaveChannel,
  type CloseOptions,
  type CloseResult,
  type LeaveOptions,
  type LeaveProgress,
} from "./closing.js";
import { now } from "./driver.js";
import { MillstreamError } from "./errors.js";
import { channelInfo, type Parts } from "./parts.js";
import { hashOfName } from "./spend-policy.js";
import { fold, giveBack, ping, snapshot, topUp, withdraw, type UpdateOptions } from "./updating.js";
import type { PaymentHandle } from "./payments.js";
import type { ChannelInfo, ChannelStatus, Hex } from "./types.js";

export type { CloseOptions, CloseResult, LeaveOptions, LeaveProgress, PaymentHandle, UpdateOptions };

/** What a payment is for, and how many more like it are to come. */
export interface PayOptions {
  /** The hash of the quote that is paid for. Default: none. */
  memo?: Hex | undefined;
  /** Where it is bought, for the owner's {@link SpendPolicy}: an origin such as `https://films.example`. Default: the payee. */
  origin?: string | undefined;
  /** Which content it is for, for the owner's {@link SpendPolicy}: any name of it. Default: the memo. */
  file?: string | undefined;
  /**
   * For how many more payments of the same amount and memo to prepare, 0 to 255: each of those is then a tick, which needs no
   * signature and no write to the store. Only for a wallet that is alone on its store. Default 0.
   */
  ticks?: number | undefined;
  /** Where what is paid for is, for the "payment" event. */
  url?: string | undefined;
  /** Which chunk of it, for the "payment" event. */
  index?: number | undefined;
}

/**
 * A channel. What its getters say is what is known now; they throw `UNKNOWN_CHANNEL` while its record is not in memory
 * (which {@link Wallet.loadChannel} changes): for the moment in which it is read anew after a failed commit, when a wallet
 * with many channels dropped it because it was idle, and for good once it was deleted. The methods read it by themselves.
 */
export class Channel {
  readonly id: Hex;
  readonly #parts: Parts;

  private constructor(parts: Parts, id: Hex) {
    this.#parts = parts;
    this.id = id;
  }

  /** @internal */
  static of(parts: Parts, id: Hex): Channel {
    return new Channel(parts, id);
  }

  /** Everything that is known about it. */
  get info(): ChannelInfo {
    return channelInfo(this.#parts, this.id);
  }

  get status(): ChannelStatus {
    return this.info.status;
  }

  /** What the payer puts in, top ups included, in base units. */
  get deposit(): bigint {
    return this.info.deposit;
  }

  /** Paid so far, in base units. */
  get paid(): bigint {
    return this.info.cumulativeAmount;
  }

  /** What the payer can still pay, in base units. */
  get remaining(): bigint {
    return this.info.remaining;
  }

  /** The channel that goes on with what a withdrawal leaves, once there is one. */
  get successor(): Channel | undefined {
    const { successor } = this.info;
    return successor && this.#parts.channelOf(successor);
  }

  /** Payer: where the seller's wallet takes messages, if this wallet knows. */
  get sellerUrl(): string | undefined {
    return this.#parts.sellers.url(this.id);
  }

  /**
   * Payer: signs a payment of `amount` more base units. It resolves when the payment is stored and may leave: with the
   * request that it pays for.
   *
   * Payments may be made without waiting for the ones before. While both sides agree to a new split (a top up, ...) a
   * payment waits for that.
   *
   * @throws {MillstreamError} `INSUFFICIENT_BALANCE`, `CHANNEL_NOT_OPEN`, `AMOUNT_OUT_OF_RANGE`, `INVALID_ARGUMENT`, `PAY_...`;
   *   `SPEND_LIMIT` with `details.refusal`: a rule of the owner; `SPEND_DECLINED`: the owner said no; `SPEND_HELD`: see `hold`;
   *   `CHANNEL_BUSY` if that takes longer than half a minute; `SIGN_REFUSED`; `STORE_FAILED`, `STORE_CONFLICT`: nothing was
   *   paid; `WALLET_STOPPED`
   */
  async pay(amount: bigint, options: PayOptions = {}): Promise<PaymentHandle> {
    const { memo, ticks = 0, url, index } = options;
    const origin = options.origin === undefined ? undefined : hashOfName(options.origin, "origin");
    const file = options.file === undefined ? undefined : hashOfName(options.file, "file");
    const paidFor = { origin: options.origin, url, index };
    return this.#parts.payments.pay(this.id, amount, { memo, origin, file }, ticks, paidFor);
  }

  /** @internal Payer: of the newest voucher. */
  get lastSerial(): number {
    return this.#parts.payments.lastSerial(this.id) ?? this.info.serial;
  }

  /**
   * @internal Payer: the best payment that is stored, together with its voucher; `undefined` before the first, and after both
   * signed a new split.
   */
  async claim(): Promise<Uint8Array | undefined> {
    await this.#parts.driver.load(this.id);
    await this.#parts.driver.stored(this.id);
    return this.#parts.driver.core.claim(this.id);
  }

  /**
   * Payer: raises the deposit by `amount` base units. Both sign it, then it is deposited with one transaction (for a token
   * after an approval), and waited for until it is confirmed. Payments go on meanwhile.
   *
   * @throws {MillstreamError} `CHANNEL_WRONG_STATUS`, `CHANNEL_BUSY`, `UPDATE_...`; `SELLER_UNREACHABLE`, `SELLER_REFUSED`;
   *   `TRANSACTION_...`; `SIGN_REFUSED`; `STORE_...`; `ABORTED`: what was begun goes on nevertheless
   */
  async topUp(amount: bigint, options: UpdateOptions = {}): Promise<void> {
    return topUp(this.#parts, this.id, amount, options);
  }

  /**
   * Takes `amount` base units of this side's money out, with one transaction and without closing: the rest goes on in a
   * successor, which is what it resolves to. This channel is closed then, and says so in {@link successor}.
   *
   * A payee's request reaches the payer with the payer's next message.
   *
   * @throws {MillstreamError} as {@link topUp}; `WITHDRAW_...`
   */
  async withdraw(amount: bigint, options: UpdateOptions = {}): Promise<Channel> {
    return this.#parts.channelOf(await withdraw(this.#parts, this.id, amount, options));
  }

  /**
   * Makes what was paid part of a state that both sign, on which payments start again: what is owed then no longer hangs on
   * the last payment alone. A payee's request reaches the payer with the payer's next message.
   *
   * @throws {MillstreamError} as {@link topUp}
   */
  async fold(options: UpdateOptions = {}): Promise<void> {
    return fold(this.#parts, this.id, options);
  }

  /**
   * Payee: gives `amount` base units of what it was paid back to the payer. The request reaches the payer with its next
   * message.
   *
   * @throws {MillstreamError} as {@link topUp}
   */
  async giveBack(amount: bigint, options: UpdateOptions = {}): Promise<void> {
    return giveBack(this.#parts, this.id, amount, options);
  }

  /**
   * Puts the best state of this side on the chain while the channel goes on: from then on no older one counts. Resolves when
   * that is confirmed.
   *
   * @throws {MillstreamError} `CHANNEL_WRONG_STATUS`, `CHECKPOINT_NOT_NEWER`, `LEAVE_NOTHING_TO_CLAIM`; `TRANSACTION_...`;
   *   `SIGN_REFUSED`; `STORE_...`; `ABORTED`
   */
  async snapshot(options: UpdateOptions = {}): Promise<void> {
    return snapshot(this.#parts, this.id, options);
  }

  /**
   * Asks whether the other side is there, and resolves when it answers.
   *
   * @throws {MillstreamError} `SELLER_UNREACHABLE`, `SELLER_REFUSED`, `ABORTED`
   */
  async ping(options: UpdateOptions = {}): Promise<void> {
    return ping(this.#parts, this.id, options);
  }

  /**
   * Closes together with the other side, in one transaction, and waits until that is confirmed.
   *
   * A payee's request reaches the payer with the payer's next message, since a payee cannot call it.
   *
   * @throws {MillstreamError} `CHANNEL_WRONG_STATUS`; `SELLER_UNREACHABLE`, `SELLER_REFUSED`: {@link leave} works without
   *   the other side; `TRANSACTION_...`; `STORE_...`; `ABORTED`: closing goes on nevertheless
   */
  async close(options: CloseOptions = {}): Promise<CloseResult> {
    return closeChannel(this.#parts, this.id, options);
  }

  /**
   * Leaves without the other side: puts the best state on the chain, waits for the challenge duration, is paid out.
   *
   * @throws {MillstreamError} `CHANNEL_WRONG_STATUS`, `LEAVE_NOTHING_DEPOSITED`, `LEAVE_NOTHING_TO_CLAIM`;
   *   `TRANSACTION_...`; `STORE_...`; `ABORTED`: leaving goes on nevertheless
   */
  async leave(options: LeaveOptions = {}): Promise<CloseResult> {
    return leaveChannel(this.#parts, this.id, options);
  }

  /**
   * Sends again what the other side or the chain may still wait for: after a restart, or after a transaction failed.
   * It resolves when that is stored, not when it arrived.
   *
   * @throws {MillstreamError} `UNKNOWN_CHANNEL`, `WALLET_STOPPED`
   */
  async resume(): Promise<void> {
    const outcome = await this.#parts.driver.runStored((core) => core.resume(this.id, now()));
    if ("error" in outcome) throw outcome.error;
  }

  /**
   * Payer: gives up a channel before anything was deposited.
   *
   * @throws {MillstreamError} `CHANNEL_WRONG_STATUS`; `DEPOSIT_UNDER_WAY` while the deposit may still be mined
   */
  async abort(): Promise<void> {
    if (this.#parts.transactions.busy(this.id))
      throw new MillstreamError("DEPOSIT_UNDER_WAY", "the deposit is being sent: wait until it is mined, then close()");
    const outcome = await this.#parts.driver.runStored((core) => core.abortChannel(this.id, now()));
    if ("error" in outcome) throw outcome.error;
  }
}
