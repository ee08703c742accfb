// One channel of a wallet.

import type { ChannelInfo, ChannelStatus, Hex } from "./types.js";

/** A payment that may leave: it is stored. */
export interface PaymentHandle {
  readonly channelId: Hex;
  readonly serial: number;
  /** What it pays beyond the payment before, in base units. */
  readonly amount: bigint;
  /** All that was paid on the channel with it, in base units. */
  readonly cumulativeAmount: bigint;
  /** What travels: the signed voucher. */
  readonly bytes: Uint8Array;
  /** How long signing took, in milliseconds. */
  readonly signMs: number;
}

/** How a channel ended, in base units. */
export interface CloseResult {
  /** The transaction that this wallet sent for it; missing if the other side sent it. */
  readonly transactionHash?: Hex;
  /** To the payee. */
  readonly paid: bigint;
  /** Back to the payer. */
  readonly refunded: bigint;
}

/** How far leaving alone is. */
export interface LeaveProgress {
  readonly step: "challenging" | "challenged" | "transferring" | "closed";
  /** When the challenge becomes final, in seconds of the chain's clock. */
  readonly finalizesAt?: number;
}

export declare class Channel {
  readonly id: Hex;
  get info(): ChannelInfo;
  get status(): ChannelStatus;
  get deposit(): bigint;
  get paid(): bigint;
  get remaining(): bigint;
  /** Where messages to the seller go, if this wallet knows: the seller's wallet URL. */
  get sellerUrl(): string | undefined;
  /** `memo`: the hash of the quote that is paid for. */
  pay(amount: bigint, memo?: Hex): Promise<PaymentHandle>;
  close(options?: { signal?: AbortSignal }): Promise<CloseResult>;
  leave(options?: { signal?: AbortSignal; onProgress?: (progress: LeaveProgress) => void }): Promise<CloseResult>;
  resume(): Promise<void>;
}
