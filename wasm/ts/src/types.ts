// The plain data that crosses the package's borders. The WebAssembly bindings refer to these types by name, so the two
// cannot drift apart unnoticed: `tsc` reads both.
//
// Ids, addresses and hashes are lower-case hex, amounts `bigint` in base units of the asset, times seconds since 1970
// (or of the chain's clock, where said), byte strings `Uint8Array`.

/** Bytes as lower-case hex with a leading `0x`. */
export type Hex = `0x${string}`;

/** The zero address: in place of a token contract it means the chain's native asset. */
export const NATIVE_ASSET: Hex = "0x0000000000000000000000000000000000000000";

/** Which side of a channel this wallet is; a hub stands between the two of a virtual one. */
export type Role = "payer" | "hub" | "payee";

/** What moves the money of a channel: vouchers that the payer signs, or splits that both sign. */
export type ChannelKind = "stream" | "ledger";

/**
 * Where a channel is in its life:
 *
 * - `initialized`: proposed
 * - `signed`: signed by both, waits for its deposit
 * - `open`: money can move
 * - `disconnected`: this side may have forgotten what it signed (after a restart under a lease, or from a backup), and signs
 *   nothing before the other side said what it has
 * - `stale`: there is a newer state than this side has, and nothing is signed before it has it
 * - `withdrawing`: a part is taken out, the rest goes on in a successor
 * - `closing`: one side asked to close, or this one leaves alone
 * - `challenged`: disputed on chain
 * - `closed`: paid out
 * - `aborted`: given up before any deposit
 */
export type ChannelStatus =
  | "initialized"
  | "signed"
  | "open"
  | "disconnected"
  | "stale"
  | "withdrawing"
  | "closing"
  | "challenged"
  | "closed"
  | "aborted";

/** What a transaction does. */
export type TransactionKind = "approve" | "deposit" | "checkpoint" | "conclude" | "challenge" | "transfer" | "reclaim";

/** What a signature is for. */
export type Purpose = "state" | "voucher" | "challenge" | "message";

/** What belongs to each side. */
export interface Balances {
  payer: bigint;
  payee: bigint;
}

/** How much a payer may sign with one write to its store. */
export interface Lease {
  /** How many payments. */
  payments: number;
  /** How much they may pay together. */
  amount: bigint;
}

/** On which terms a wallet stands between others. Amounts in base units. */
export interface HubPolicy {
  /** Who may open channels through it, by channel key. Empty: everyone with a ledger. Default: everyone. */
  serves?: readonly Hex[] | undefined;
  /** What each channel costs. Default 0. */
  fee?: bigint | undefined;
  /** What each channel costs for its amount, in millionths, rounded up. Default 0. */
  feeRate?: number | undefined;
  /** The largest channel. Default: as large as the ledger allows. */
  maxAmount?: bigint | undefined;
  /** How much of a ledger's money may be set aside for one side's channels at once. Default: all of it. */
  maxPerPeer?: bigint | undefined;
}

/** What a wallet asks of a new channel. Times in seconds, amounts in base units. */
export interface Policy {
  /** Assets that are taken (zero address: native). Empty: any. Default: any. */
  assets: readonly Hex[];
  /** Kinds of channels that are taken. Empty: any. Default: any; a seller takes streams. */
  kinds: readonly ("stream" | "ledger")[];
  /** The smallest deposit. Default 1. */
  minDeposit: bigint;
  /** What leaving alone costs in gas: no channel is taken for less, and none is left alone unasked for less. Default 0. */
  exitCost: bigint;
  /** How much a peer may ask this side to deposit. Default 0. */
  maxContribution: bigint;
  /** The shortest time to answer a challenge. Default 3,600; lower it only on a development chain. */
  minChallengeDuration: number;
  /** The longest time that leaving alone may take. Default a week. */
  maxChallengeDuration: number;
  /** How many blocks deep a deposit must be, the block of the deposit included. Default 2. */
  minConfirmations: number;
  /** How many blocks deep it must be at most: until then it can neither be spent nor taken back. Default 128. */
  maxConfirmations: number;
  /** How many channels may wait for their deposit at once. Default 1,000. */
  maxUnfunded: number;
  /** How long a channel may stay without a deposit. Default 1,800. */
  fundingTimeout: number;
  /** How long the other side may take to answer once money is in a channel; then it is left alone. Default a day. */
  answerTimeout: number;
  /** How long a channel through hubs may take to open: until then money is promised to it. Default 120. */
  openingTimeout: number;
  /** On which terms it stands between others as a hub. Default: it does not. */
  hub: HubPolicy;
}

/**
 * How far the ledger on one side of a virtual channel is: nothing set aside, offered, held by both signatures, given back.
 */
export type HopStage = "idle" | "offered" | "held" | "released";

/** A ledger of ours on the way of a virtual channel. */
export interface Hop {
  ledger: Hex;
  stage: HopStage;
}

/** What the core knows about a channel. */
export interface ChannelInfo {
  id: Hex;
  kind: ChannelKind;
  role: Role;
  status: ChannelStatus;
  /** The other side's channel key; of a virtual channel at its hub, the payer's. */
  peer: Hex;
  payer: Hex;
  payee: Hex;
  asset: Hex;
  /** What the payer puts in: its first deposit and every top up that both signed. */
  deposit: bigint;
  /** What the payee deposits at the opening. */
  payeeDeposit: bigint;
  /** What each side keeps until the close. */
  reserve: bigint;
  /** How the money is split now. */
  balances: Balances;
  /** Paid so far, since the channel was opened. */
  cumulativeAmount: bigint;
  /** What the payer can still pay. */
  remaining: bigint;
  /** Of the last voucher on the base; 0 before the first. */
  serial: number;
  /** How many ticks of that voucher were paid. */
  ticks: number;
  /** The turn of the newest state that both signed: vouchers stand on it. */
  baseTurn: number;
  /** What the adjudicator holds for the channel, as far as confirmed. */
  holdings: bigint;
  /** The highest turn on chain, as far as confirmed: no lower state counts any more. */
  turnRecord: number;
  challengeDuration: number;
  confirmations: number;
  /** The final state that the payer proposed, with what it pays the payee; `agreed` once both signed it. */
  closing?: { claimed: bigint; agreed: boolean };
  /** Whether a new split was proposed or asked for and is not agreed on. */
  pending: boolean;
  /** Whether this side decided to leave without the other. */
  leaving: boolean;
  /** What stands on chain: final at `finalizesAt` (the chain's clock), put there by us or not. */
  dispute?: { finalizesAt: number; ours: boolean; turn: number };
  /** What each side was paid out, and what went on to the successor. */
  payout?: { paid: bigint; refunded: bigint; carried: bigint };
  /** The channel that this one goes on from. */
  predecessor?: Hex;
  /** The channel that goes on with what a withdrawal leaves. */
  successor?: Hex;
  /** The block of the last chain event that was taken in. */
  seenBlock?: number;
  /** Why the channel was given up: an error code. */
  aborted?: string;
  /** Virtual channels: the channel keys of the hubs on the way, from the payer on. */
  hubs?: readonly Hex[];
  /** Virtual channels: our ledger with whoever is before us; missing at the payer. */
  upstream?: Hop;
  /** Virtual channels: our ledger with whoever is after us; missing at the payee. */
  downstream?: Hop;
  /** Ledgers: what is set aside for virtual channels, in base units; not part of `balances`. */
  guaranteed?: bigint;
  /** Ledgers: for how many virtual channels. */
  guarantees?: number;
  /** Ledgers: what of this side's money is promised to virtual channels that are being opened, in base units. */
  promised?: bigint;
}

/** What a price is for: a chunk, a byte, or a second of play time. */
export type QuoteUnit = "chunk" | "byte" | "second";

/** What a seller puts into a quote; the key and the destination are its wallet's. */
export interface QuoteTerms {
  /** SHA-256 of the manifest, which names the SHA-256 of every chunk. */
  contentRoot: Hex;
  /** Length of the content in bytes. */
  length: number;
  /** Length of every chunk but the last, in bytes; 0 for a folder, whose chunks are its files. */
  chunkSize: number;
  /** How many chunks the content has. */
  chunks: number;
  /** What the price is for. */
  unit: QuoteUnit;
  /** How many units the whole content costs: of a file its chunks, its bytes or its seconds, of a folder those not free. */
  units: number;
  /** Price of one unit. */
  price: bigint;
  /** How much the seller serves ahead of payment on a channel. */
  credit: bigint;
  asset: Hex;
  /** What the seller asks of a channel, in seconds. */
  challengeDuration: number;
  /** How many blocks deep the deposit must be. */
  confirmations: number;
  /** Until when the quote holds, in seconds since 1970. */
  expiresAt: number;
  /** SHA-256 of the list of hubs that is sent beside the quote. Default: zero, there is none. */
  hubs?: Hex | undefined;
}

/** A quote whose signature was checked. */
export interface Quote extends QuoteTerms {
  /** The EIP-712 hash: the memo of the payments for it. */
  hash: Hex;
  /** The seller's channel key, which signed. */
  payee: Hex;
  /** Where the seller is paid out. */
  payeeDestination: Hex;
  /** SHA-256 of the list of hubs that is sent beside the quote; zero if there is none. */
  hubs: Hex;
  /** The price of the whole content. */
  total: bigint;
}

/** What a seller signs about a delivery. */
export interface Receipt {
  channelId: Hex;
  /** The hash of the quote that was bought on. */
  quote: Hex;
  /** The chunk that it was given for, from 0. */
  chunk: number;
  /** How many different chunks of the quote were bought so far. */
  chunks: number;
  /** All that was paid on the channel so far, in base units. */
  cumulativeAmount: bigint;
  /** In seconds since 1970, by the seller's clock. */
  issuedAt: number;
}

/** Who signed a receipt, and for payments through what. */
export interface ReceiptIssuer {
  chainId: number;
  streamApp: Hex;
  /** The seller's channel key: the payee of the channel. */
  seller: Hex;
}

/** What every payment says. */
interface AnyPaymentFields {
  channelId: Hex;
  /** Of the voucher that it is, or that its ticks belong to. */
  serial: number;
  /** How many ticks of the voucher it pays; 0 for the voucher itself. */
  ticks: number;
}

/** The fields of a payment with its voucher. */
export interface ClaimFields extends AnyPaymentFields {
  baseTurn: number;
  cumulativeAmount: bigint;
  tickTip: Hex;
  tickPrice: bigint;
  tickLimit: number;
  memo: Hex;
  /** 65 bytes, r ‖ s ‖ v. */
  signature: Uint8Array;
  /** What proves the ticks; missing if there are none. */
  preimage?: Hex;
}

/** The fields of a payment of ticks alone. */
export interface TickFields extends AnyPaymentFields {
  /** What proves them. */
  preimage: Hex;
  memo?: never;
  signature?: never;
}

/** The fields of a payment, for display; nothing is verified but the form of the signature. */
export type PaymentFields = ClaimFields | TickFields;

/** A log of a contract. */
export interface Log {
  address: Hex;
  topics: readonly Hex[];
  data: Uint8Array;
  block: number;
  logIndex: number;
  /**
   * The data of the call that logged it, wanted for `Checkpointed`, `ChallengeCleared`, `Concluded` and `Reclaimed` only:
   * these logs do not say the state. Without it a payer cannot use a redemption that the payee put on chain this way.
   */
  call?: Uint8Array | undefined;
}

/** The chain from a block on: every log of the blocks `fromBlock` to `headBlock`, in order. */
export interface ChainUpdate {
  fromBlock: number;
  headBlock: number;
  /** Seconds of the chain's clock. */
  headTime: number;
  logs: readonly Log[];
}

/** A record as a store has it; `version` counts its writes from 1. Without `bytes` there is no record under the key. */
export interface StoredRecord {
  key: Hex;
  version: number;
  bytes: Uint8Array | undefined;
}

/** A record of a backup. */
export interface BackupRecord {
  key: Hex;
  bytes: Uint8Array;
}

/** What came in on a channel, whether it is stored yet or not. */
export interface TakenIn {
  /** All that was paid on it, in base units. */
  cumulativeAmount: bigint;
  /** What its best voucher is for: the hash of a quote, or zero. */
  memo: Hex;
}

/** One write of a commit. */
export interface Write {
  key: Hex;
  /** The version that the record must have now, 0 if there must be none. It becomes this plus one. */
  expectedVersion: number;
  /** The record; `undefined` deletes it. */
  bytes: Uint8Array | undefined;
  /**
   * When the record next needs attention, in seconds since 1970; without it, it can rest until it is asked for. A store that
   * can find records by it implements {@link Store.loadDue}.
   */
  wakeAt?: number | undefined;
}

/** What the payments that count for a spend rule have in common; `"payment"`: each counts alone. */
export type SpendScope = "payment" | "payee" | "origin" | "file" | "total";

/** One rule of the owner about what may be paid. */
export interface SpendRule {
  scope: SpendScope;
  /** The only asset that it is for (zero address: native). Without it, every asset, each by itself. */
  asset?: Hex | undefined;
  /** In base units. */
  limit: bigint;
  /** In seconds. */
  window: number;
  /** Whether the owner is asked above the limit; otherwise a payment is refused. */
  asks: boolean;
}

/** The rule that a payment is above, and by how much; amounts in base units. */
export interface SpendRefusal {
  rule: SpendScope;
  /** In seconds. */
  window: number;
  /** Whether the owner was asked. */
  asks: boolean;
  /** What the rule allows, with what the owner granted. */
  limit: bigint;
  /** What counts for it already, with what open vouchers can still pay. */
  spent: bigint;
  /** What was to be paid. */
  amount: bigint;
}

/** What a payment is for; what is missing is not said. */
export interface Purchase {
  /** The hash of the quote, which the voucher names. */
  memo?: Hex | undefined;
  /** For the owner's rules: any hash of where it is bought. Default: the payee. */
  origin?: Hex | undefined;
  /** For the owner's rules: any hash of which content it is. Default: the memo. */
  file?: Hex | undefined;
}

/** What a core is made of. */
export interface CoreConfig {
  chainId: number | bigint;
  adjudicator: Hex;
  streamApp: Hex;
  consensusApp: Hex;
  /** The address that this wallet's part of every channel is paid out to. */
  destination: Hex;
  policy?: Partial<Policy> | undefined;
  /** The channel key, 32 bytes; generated if missing. */
  secret?: Uint8Array | undefined;
  /** Instead of a secret, the address of a key that is elsewhere: signatures are asked for by "sign" outputs. */
  address?: Hex | undefined;
  /** Default: every payment is stored before it leaves. */
  lease?: Lease | undefined;
  /** What the owner lets it pay. Default: anything. With rules every payment but a tick is stored, whatever the lease. */
  spending?: readonly SpendRule[] | undefined;
  /** How many idle channels stay in memory. Default 1,000. */
  maxLoaded?: number | undefined;
}

/** The way of a virtual channel. */
export interface Route {
  /** The channel keys of the hubs, from the payer on. */
  hubs: readonly Hex[];
  /** The ledgers between each two on the way, from the payer's on: one more than hubs. */
  ledgers: readonly Hex[];
  /** What each hub gets, in base units. */
  fees: readonly bigint[];
}

/** What a payer asks of the core for a new channel. */
export interface OpenTerms {
  payee: Hex;
  payeeDestination: Hex;
  asset: Hex;
  deposit: bigint;
  challengeDuration: number;
  confirmations: number;
  /** Default: a stream. */
  kind?: ChannelKind | undefined;
  /** What the payee deposits. Default 0. */
  payeeDeposit?: bigint | undefined;
  /** What each side keeps until the close. Default 0. */
  reserve?: bigint | undefined;
  /** The way of a virtual channel: one that no chain transaction opens. Default: a direct channel. */
  route?: Route | undefined;
  /** For replay only: the time in seconds above 32 random bits unless given. It must never repeat. */
  nonce?: bigint | undefined;
}

/** What happened in the core. */
export type CoreEvent =
  | { type: "statusChanged"; channelId: Hex; status: ChannelStatus }
  | {
      type: "paymentReceived";
      channelId: Hex;
      serial: number;
      ticks: number;
      amount: bigint;
      cumulativeAmount: bigint;
      memo: Hex;
    }
  | { type: "challenged"; channelId: Hex; finalizesAt: number; ours: boolean }
  | { type: "closed"; channelId: Hex; paid: bigint; refunded: bigint; carried: bigint }
  | { type: "updated"; channelId: Hex; turn: number; balances: Balances }
  | { type: "updateRefused"; channelId: Hex; turn: number; code: string }
  | { type: "succeeded"; channelId: Hex; successor: Hex }
  | { type: "peerAlive"; channelId: Hex }
  | { type: "peerSilent"; channelId: Hex }
  | { type: "reorganised"; channelId: Hex }
  | { type: "signRefused"; channelId: Hex }
  | { type: "spendRefused"; channelId: Hex; refusal: SpendRefusal }
  | { type: "peerError"; channelId: Hex; code: string; text: string }
  | { type: "unreadableLog"; channelId: Hex; block: number; code: string }
  | { type: "commitFailed"; channelId: Hex };

/** What the core asks of its host, in order. */
export type Output =
  | { type: "commit"; id: number; writes: Write[] }
  | { type: "load"; keys: Hex[] }
  | { type: "send"; peer: Hex; channelId: Hex; bytes: Uint8Array }
  | {
      type: "payment";
      channelId: Hex;
      serial: number;
      ticks: number;
      amount: bigint;
      cumulativeAmount: bigint;
      bytes: Uint8Array;
    }
  | { type: "sign"; channelId: Hex; digest: Uint8Array; purpose: Purpose }
  | { type: "ask"; id: number; channelId: Hex; question: SpendRefusal }
  | { type: "submit"; channelId: Hex; kind: TransactionKind; to: Hex; value: bigint; data: Uint8Array }
  | { type: "notify"; event: CoreEvent }
  | { type: "wakeAt"; time: number };
