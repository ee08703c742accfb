// What a wallet tells its listeners.

import type { MillstreamError } from "./errors.js";
import type { PaidFor, PaymentReceived } from "./payments.js";
import type { Balances, ChannelStatus, Hex, SpendRefusal, TransactionKind } from "./types.js";

/** A payment that leaves. Amounts in base units. */
export interface PaymentSent extends PaidFor {
  channelId: Hex;
  /** Of its voucher. */
  serial: number;
  /** How many ticks of the voucher it pays; 0 for the voucher itself. */
  ticks: number;
  amount: bigint;
  /** All that was paid on the channel with it. */
  cumulativeAmount: bigint;
  /** How long signing took, in milliseconds. */
  signMs: number;
}

/** A receipt that came, and what it is for. */
export interface ReceiptReceived {
  channelId: Hex;
  /** Of the seller: `https://films.example`. */
  origin: string;
  url: string;
  /** The chunk that it came with. */
  index: number;
  /** The hash of the quote that was bought on. */
  quote: Hex;
  /** Bytes for `exportReceipts` and `readReceipt`. */
  receipt: Uint8Array;
}

/** What a wallet tells its listeners. Amounts in base units. */
export interface WalletEvents {
  /** Payer: a payment is stored and may leave. */
  payment: PaymentSent;
  /** Payer: a seller's receipt came with what was bought, and was checked. It comes after the payment left, if it comes. */
  receipt: ReceiptReceived;
  /** Payee: a payment was accepted and stored. */
  paymentReceived: PaymentReceived;
  /** Payer: a payment was not made, because of a rule of the owner or the owner's no. */
  spendRefused: { channelId: Hex; refusal: SpendRefusal };
  status: { channelId: Hex; status: ChannelStatus };
  /** A challenge stands on chain, final at `finalizesAt` (the chain's clock, in seconds). */
  challenged: { channelId: Hex; finalizesAt: number; ours: boolean };
  /** The channel was paid out; `carried` went on to its successor. */
  closed: { channelId: Hex; paid: bigint; refunded: bigint; carried: bigint };
  /** Both signed a new split of the money. */
  updated: { channelId: Hex; balances: Balances };
  /** The rest of a withdrawal goes on in another channel. */
  succeeded: { channelId: Hex; successor: Hex };
  /** The other side did not answer in time. What could be given up was; otherwise the wallet leaves alone. */
  peerSilent: { channelId: Hex };
  /** The chain took back what was confirmed before. The channel is again where the chain says it is. */
  reorganised: { channelId: Hex };
  /** A transaction of this wallet was mined. */
  transaction: { channelId: Hex; kind: TransactionKind; hash: Hex; gasUsed: bigint; block: number };
  /** The other side refused a message; code and text are its own words. */
  peerError: { channelId: Hex; code: string; text: string };
  /** Something went wrong; whoever waits for it is told as well. */
  error: { error: MillstreamError; channelId?: Hex };
}
