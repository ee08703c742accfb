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
import type { PaymentHandle } from "./payments.js";
import type { ChannelInfo, ChannelStatus, Hex } from "./types.js";

export type { CloseOptions, CloseResult, LeaveOptions, LeaveProgress, PaymentHandle };

const NO_MEMO: Hex = `0x${"0".repeat(64)}`;

/**
 * A channel. What its getters say is what is known now; they throw `UNKNOWN_CHANNEL` for the moment in which a channel is
 * read anew after a failed commit, and for good once it was deleted.
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

  /** In base units. */
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

  /** Payer: where the seller's wallet takes messages, if this wallet knows. */
  get sellerUrl(): string | undefined {
    return this.#parts.sellers.url(this.id);
  }

  /**
   * Payer: signs a payment of `amount` more base units. It resolves when the payment is stored and may leave: with the
   * request that it pays for.
   *
   * `memo` is the hash of the quote that is paid for. Payments may be made without waiting for the ones before.
   *
   * @throws {MillstreamError} `INSUFFICIENT_BALANCE`, `CHANNEL_NOT_OPEN`, `AMOUNT_OUT_OF_RANGE`, `PAY_...`;
   *   `STORE_FAILED`, `STORE_CONFLICT`: nothing was paid; `WALLET_STOPPED`
   */
  async pay(amount: bigint, memo: Hex = NO_MEMO): Promise<PaymentHandle> {
    return this.#parts.payments.pay(this.id, amount, memo);
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
