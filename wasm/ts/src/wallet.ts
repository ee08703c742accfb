// A wallet: drives the core, and owns its transport, store, clock and chain.

import type { Chain } from "./chain.js";
import type { Channel } from "./channel.js";
import type { MillstreamError } from "./errors.js";
import type { Offer } from "./offer.js";
import type { Store } from "./store.js";
import type { ChannelStatus, Hex, Policy, Quote, QuoteTerms, TransactionKind } from "./types.js";

export interface WalletOptions {
  chain: Chain;
  store?: Store | undefined;
  /** The channel key, 32 bytes. Generated if missing; give one if the store outlives the wallet. */
  secret?: Uint8Array | undefined;
  /** Where this wallet's part of every channel is paid out. Default: the chain's account. */
  destination?: Hex | undefined;
  policy?: Partial<Policy> | undefined;
  fetch?: typeof fetch | undefined;
  /** How often the chain is asked for news, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
}

export interface WalletEvents {
  payment: { channelId: Hex; serial: number; amount: bigint; cumulativeAmount: bigint; signMs: number };
  paymentReceived: PaymentReceived;
  status: { channelId: Hex; status: ChannelStatus };
  challenged: { channelId: Hex; finalizesAt: number; ours: boolean };
  closed: { channelId: Hex; paid: bigint; refunded: bigint };
  transaction: { channelId: Hex; kind: TransactionKind; hash: Hex; gasUsed: bigint; block: number };
  peerError: { channelId: Hex; code: string; text: string };
  error: { error: MillstreamError; channelId?: Hex };
}

export interface PaymentReceived {
  channelId: Hex;
  serial: number;
  /** What is new, in base units: 0 if the same payment came before. */
  amount: bigint;
  cumulativeAmount: bigint;
  memo: Hex;
}

export type OpenStep = "proposed" | "accepted" | "depositing" | "confirming" | "open";

export interface OpenProgress {
  channelId: Hex;
  /** From "depositing" on, once it is sent. */
  transactionHash?: Hex;
  /** While "confirming": blocks on top of the deposit so far, its own included, and how many are needed. */
  confirmations?: number;
  needed?: number;
}

export interface OpenChannelOptions {
  /** Any URL of the seller that answers with its terms, or the offer read from one. */
  seller: string | URL | Offer;
  deposit: bigint;
  asset?: Hex | undefined;
  challengeDuration?: number | undefined;
  confirmations?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((step: OpenStep, info: OpenProgress) => void) | undefined;
}

export declare class Wallet {
  static open(options: WalletOptions): Promise<Wallet>;
  readonly address: Hex;
  readonly destination: Hex;
  readonly chain: Chain;
  channels(): Channel[];
  channel(id: Hex): Channel | undefined;
  openChannel(options: OpenChannelOptions): Promise<Channel>;
  on<K extends keyof WalletEvents>(event: K, listener: (event: WalletEvents[K]) => void): () => void;
  /** Messages of a payer; the answer is what goes back to it. On refusal `error.details.reply` holds what to answer. */
  receiveMessage(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Resolves once the payment is stored; throws the core's typed error if it is refused. */
  receivePayment(bytes: Uint8Array): Promise<PaymentReceived>;
  /** Signs a quote with the channel key; payee and destination are this wallet's. */
  signQuote(terms: QuoteTerms): Uint8Array;
  /** Reads a quote and checks signature, chain and expiry. */
  readQuote(bytes: Uint8Array): Quote;
  exportSecret(): Uint8Array;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  // download(url, options) follows download.ts: export function download(wallet, url, options) there, called from here.
}
