// The core as the package calls it: the bindings, with every failure a MillstreamError.

import { MillstreamError, type MillstreamErrorDetails } from "./errors.js";
import { requireLoaded } from "./init.js";
import * as bindings from "./millstream_wasm.js";
import type {
  BackupRecord,
  ChainUpdate,
  ChannelInfo,
  CoreConfig,
  Hex,
  OpenTerms,
  Output,
  PaymentFields,
  Purchase,
  Quote,
  QuoteTerms,
  Receipt,
  ReceiptIssuer,
  SpendRefusal,
  StoredRecord,
  TakenIn,
  TransactionKind,
} from "./types.js";

/** Set once the module trapped: its memory cannot be trusted from then on. */
let trap: unknown;

/** The one place where what the module throws becomes the package's error. */
function guard<T>(call: () => T): T {
  requireLoaded();
  if (trap !== undefined) throw trapped(trap);
  try {
    return call();
  } catch (error) {
    throw translate(error);
  }
}

function translate(error: unknown): unknown {
  if (error instanceof WebAssembly.RuntimeError) {
    trap = error;
    return trapped(error);
  }
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    const details: MillstreamErrorDetails = {};
    if ("field" in error && typeof error.field === "string") details.field = error.field;
    if ("channelId" in error && typeof error.channelId === "string") details.channelId = error.channelId as Hex;
    if ("refusal" in error) details.refusal = error.refusal as SpendRefusal;
    return new MillstreamError(error.code, error.message, { details });
  }
  // A getter or a proxy among the arguments threw, or the object was freed.
  return new MillstreamError("INVALID_ARGUMENT", "an argument could not be read", { cause: error });
}

function trapped(cause: unknown): MillstreamError {
  return new MillstreamError(
    "CORE_TRAPPED",
    "the WebAssembly module stopped at an internal error: reload the page or restart the process; " +
      "nothing that was not stored has left",
    { cause },
  );
}

/**
 * The wallet's machine: takes inputs, yields outputs, does nothing by itself. {@link Wallet} drives one; use it directly
 * only to bring your own transport, store and chain.
 *
 * Every method either does all it says or throws a {@link MillstreamError} and changes nothing. `now` is in seconds since
 * 1970. Whatever names a channel may throw `UNKNOWN_CHANNEL`, or `CHANNEL_LOADING`: then the outputs have a "load", and the
 * same call is made again after `loaded`.
 */
export class Core {
  readonly #core: bindings.Core;

  constructor(config: CoreConfig) {
    this.#core = guard(() => new bindings.Core(config));
  }

  /** Same as the constructor. */
  static new(config: CoreConfig): Core {
    return new Core(config);
  }

  /** The channel key's address. */
  address(): Hex {
    return guard(() => this.#core.address());
  }

  /**
   * The channel key itself, 32 bytes: whoever has it can spend every channel of this wallet. For backups. `KEY_ELSEWHERE`
   * if the core does not have it.
   */
  exportSecret(): Uint8Array {
    return guard(() => this.#core.exportSecret());
  }

  /**
   * Payer: proposes a channel, with a route a virtual one. Returns its id.
   *
   * With a route it throws `OPEN_ROUTE`, `OPEN_LEDGER`, `HUB_LIQUIDITY` or `GUARANTEE_TOO_MANY` if our ledger with the first
   * hub cannot carry it.
   */
  openChannel(terms: OpenTerms, now: number): Hex {
    return guard(() => this.#core.openChannel(terms, now));
  }

  /**
   * Pays `amount` more base units: the payer in a stream, either side in a ledger. `ticks`, 0 to 255, says for how many more
   * payments of the same amount and memo to prepare: those need no signature and no write. Where a rule of the owner asks,
   * an "ask" comes in place of the "payment".
   */
  pay(channelId: Hex, amount: bigint, purchase: Purchase, ticks: number, now: number): void {
    guard(() => this.#core.pay(channelId, amount, purchase, ticks, now));
  }

  /** Stops all payments, or lets them go on. It is not stored. */
  hold(held: boolean, now: number): void {
    guard(() => this.#core.hold(held, now));
  }

  /** Stores what was paid and is not stored yet: for the last moment before a stop. */
  settle(now: number): void {
    guard(() => this.#core.settle(now));
  }

  /** Payer: raises its part by `amount` base units. Both sign, then the deposit is submitted. */
  topUp(channelId: Hex, amount: bigint, now: number): void {
    guard(() => this.#core.topUp(channelId, amount, now));
  }

  /** Makes what was paid part of a new base, on which vouchers start again. */
  fold(channelId: Hex, now: number): void {
    guard(() => this.#core.fold(channelId, now));
  }

  /** Payee: asks the payer to take `amount` base units back. */
  giveBack(channelId: Hex, amount: bigint, now: number): void {
    guard(() => this.#core.giveBack(channelId, amount, now));
  }

  /** Takes `amount` base units of ours out with one transaction; the rest goes on in a successor channel. */
  withdraw(channelId: Hex, amount: bigint, now: number): void {
    guard(() => this.#core.withdraw(channelId, amount, now));
  }

  /** Puts our best state on chain while the channel goes on. */
  snapshot(channelId: Hex, now: number): void {
    guard(() => this.#core.snapshot(channelId, now));
  }

  /** Answers a challenge with a newer state, after which the channel goes on; takes a decision to leave back. */
  clearChallenge(channelId: Hex, now: number): void {
    guard(() => this.#core.clearChallenge(channelId, now));
  }

  /** Asks whether the other side is there: it answers with a "peerAlive" event. */
  ping(channelId: Hex, now: number): void {
    guard(() => this.#core.ping(channelId, now));
  }

  /** Closes together with the other side. */
  closeChannel(channelId: Hex, now: number): void {
    guard(() => this.#core.closeChannel(channelId, now));
  }

  /** Leaves without the other side. */
  leaveChannel(channelId: Hex, now: number): void {
    guard(() => this.#core.leaveChannel(channelId, now));
  }

  /** Gives up a channel before it is funded. */
  abortChannel(channelId: Hex, now: number): void {
    guard(() => this.#core.abortChannel(channelId, now));
  }

  /** Sends again what the other side or the chain may still wait for. */
  resume(channelId: Hex, now: number): void {
    guard(() => this.#core.resume(channelId, now));
  }

  /** Takes in a message of a peer. A refusal of one that was properly signed leaves a signed answer in the outputs. */
  message(bytes: Uint8Array, now: number): void {
    guard(() => this.#core.message(bytes, now));
  }

  /** Payee: takes in a payment. Returns the id of its channel. */
  payment(bytes: Uint8Array, now: number): Hex {
    return guard(() => this.#core.payment(bytes, now));
  }

  /** Takes in what happened on the chain. */
  chainUpdate(update: ChainUpdate, now: number): void {
    guard(() => this.#core.chainUpdate(update, now));
  }

  /** A transaction was not sent, or failed. */
  transactionFailed(channelId: Hex, kind: TransactionKind, now: number): void {
    guard(() => this.#core.transactionFailed(channelId, kind, now));
  }

  /** The writes of a commit are durable. */
  committed(id: number, now: number): void {
    guard(() => this.#core.committed(id, now));
  }

  /** The writes of a commit were refused; none of them took effect. */
  commitFailed(id: number, now: number): void {
    guard(() => this.#core.commitFailed(id, now));
  }

  /**
   * Records from the store: at the start those whose `wakeAt` is set, or all; later those that a "load" names. All are taken,
   * or none.
   */
  loaded(records: readonly StoredRecord[], now: number): void {
    guard(() => this.#core.loaded(records, now));
  }

  /**
   * Records of a backup. Those that the wallet does not have are stored; before anything is signed on them, the other side is
   * asked how far it got.
   */
  restore(records: readonly BackupRecord[], now: number): void {
    guard(() => this.#core.restore(records, now));
  }

  /** The signature that a "sign" output asked for: 65 bytes, r ‖ s ‖ v. */
  signed(digest: Uint8Array, signature: Uint8Array, now: number): void {
    guard(() => this.#core.signed(digest, signature, now));
  }

  /** The owner of the key declined to sign, and never will. */
  signRefused(digest: Uint8Array, now: number): void {
    guard(() => this.#core.signRefused(digest, now));
  }

  /** The owner answered the question of an "ask": with a yes the payment is made. */
  answered(id: number, granted: boolean, now: number): void {
    guard(() => this.#core.answered(id, granted, now));
  }

  /** Time went on. */
  tick(now: number): void {
    guard(() => this.#core.tick(now));
  }

  /** The next thing to do, if there is one. */
  pollOutput(): Output | undefined {
    return guard(() => this.#core.pollOutput());
  }

  /** The best voucher of a channel with the ticks shown for it, as one payment; `undefined` before the first. */
  claim(channelId: Hex): Uint8Array | undefined {
    return guard(() => this.#core.claim(channelId));
  }

  /** Payee: what came in on a channel, whether it is stored yet or not; `undefined` before the first payment. */
  taken(channelId: Hex): TakenIn | undefined {
    return guard(() => this.#core.taken(channelId));
  }

  /** What is known about a channel. */
  channel(channelId: Hex): ChannelInfo | undefined {
    return guard(() => this.#core.channel(channelId));
  }

  /** What is known about every loaded channel, by id. */
  channels(): ChannelInfo[] {
    return guard(() => this.#core.channels());
  }

  /** Signs a quote; its payee is this wallet. `KEY_ELSEWHERE` if the key is with a signer outside. */
  signQuote(terms: QuoteTerms): Uint8Array {
    return guard(() => this.#core.signQuote(terms));
  }

  /** Signs a receipt as the seller. */
  signReceipt(receipt: Receipt): Uint8Array {
    return guard(() => this.#core.signReceipt(receipt));
  }

  /** Reads a quote and checks its signature, its chain and its expiry. */
  readQuote(bytes: Uint8Array, now: number): Quote {
    return guard(() => this.#core.readQuote(bytes, now));
  }
}

/** A secret key that stays inside the module. */
export class Signer {
  readonly #signer: bindings.Signer;

  /** Takes a secret of 32 bytes, or generates one. */
  constructor(secret?: Uint8Array) {
    this.#signer = guard(() => new bindings.Signer(secret));
  }

  /** The address of the key. */
  get address(): Hex {
    return guard(() => this.#signer.address);
  }

  /** The public key, 33 bytes (SEC1 compressed). */
  get publicKey(): Uint8Array {
    return guard(() => this.#signer.publicKey);
  }

  /** Signs a digest of 32 bytes as it is: 65 bytes, r ‖ s ‖ v. */
  sign(digest: Uint8Array): Uint8Array {
    return guard(() => this.#signer.sign(digest));
  }
}

/** Keccak-256 of at most 64 MiB: 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return guard(() => bindings.keccak256(bytes));
}

/** Signs a digest of 32 bytes with a secret: 65 bytes, r ‖ s ‖ v. A {@link Signer} spares deriving the key every time. */
export function signDigest(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  return guard(() => bindings.signDigest(secret, digest));
}

/** Whether the key (33 or 65 bytes, SEC1) made the signature (65 bytes) over the digest (32 bytes). */
export function verifySignature(publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  return guard(() => bindings.verifySignature(publicKey, digest, signature));
}

/** The address whose key made the signature (65 bytes), if the digest (32 bytes) is what it signed. */
export function recoverAddress(digest: Uint8Array, signature: Uint8Array): Hex {
  return guard(() => bindings.recoverAddress(digest, signature));
}

/** Reads a receipt and checks that its issuer signed it. */
export function readReceipt(bytes: Uint8Array, issuer: ReceiptIssuer): Receipt {
  return guard(() => bindings.readReceipt(bytes, issuer));
}

/** The fields of a payment, for display: of its signature only the form is checked. */
export function decodePayment(bytes: Uint8Array): PaymentFields {
  return guard(() => bindings.decodePayment(bytes));
}

/** Who a message says that it is from: unchecked, until the core took it. */
export function senderOf(message: Uint8Array): Hex | undefined {
  return guard(() => bindings.senderOf(message));
}

/** A voucher and ticks of it as one payment: for a payee that may not know the voucher. */
export function claimOf(voucher: Uint8Array, tick: Uint8Array): Uint8Array {
  return guard(() => bindings.claimOf(voucher, tick));
}
