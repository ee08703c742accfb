// Opening a channel: terms, prefund, deposit, confirmations, postfund. Source: docs/protocol.md, Opening.

import { now } from "./driver.js";
import { MillstreamError, aborted, checkHex, isMillstreamError } from "./errors.js";
import { channelInfo, extend, waitForSignals, type Parts, type Wait } from "./parts.js";
import { checkCode } from "./transport.js";
import { clip } from "./rpc.js";
import type { ChannelKind, Hex, Route } from "./types.js";

/** How far opening is. */
export type OpenStep = "proposed" | "accepted" | "depositing" | "confirming" | "open";

export interface OpenProgress {
  readonly channelId: Hex;
  /** The deposit: while "depositing" as soon as it is sent, and from then on. */
  readonly transactionHash?: Hex;
  /** While "confirming": how many blocks the deposit is deep by now, its own included, and how many are needed. */
  readonly confirmations?: number;
  readonly needed?: number;
}

/** What a payer wants. */
export interface OpenTermsChosen {
  /** In base units of the asset. Through hubs it comes out of the ledger with the first one. */
  deposit: bigint;
  /**
   * `"ledger"`: a channel with a hub, out of which channels through it are opened. Default: `"stream"`, a channel on which a
   * seller is paid.
   */
  kind?: ChannelKind | undefined;
  /** What the other side is asked to deposit, in base units; its policy says whether it does. Default 0. */
  payeeDeposit?: bigint | undefined;
  /** Default: what the seller's quote asks for; of a ledger the native one. */
  asset?: Hex | undefined;
  /** In seconds. Default: the quote's. */
  challengeDuration?: number | undefined;
  /** How many blocks deep the deposit must be. Default: the quote's. */
  confirmations?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((step: OpenStep, info: OpenProgress) => void) | undefined;
}

/** With whom a channel is opened, and what that asks for. */
export interface OpenTarget {
  readonly payee: Hex;
  readonly payeeDestination: Hex;
  readonly walletUrl: string;
  readonly asset: Hex;
  readonly challengeDuration: number;
  readonly confirmations: number;
}

/** A seller that does not answer this often in a row is given up, as long as nothing was deposited. */
const MAX_ATTEMPTS = 5;
/** How long a channel through hubs may take to open, in milliseconds: no chain is waited for. */
const LONGEST_OPENING = 30_000;

/**
 * Opens a channel with a seller, up to the first possible payment.
 *
 * @param route the way of a channel through hubs
 *
 * @returns the channel's id
 * @throws {MillstreamError} whatever ends it, with `details.channelId` once there is one, and `details.aborted`: whether
 *   the channel was given up without a deposit. If not, the deposit may still arrive and the channel open by itself.
 */
export async function openChannel(
  parts: Parts,
  target: OpenTarget,
  options: OpenTermsChosen,
  route?: Route,
): Promise<Hex> {
  const { driver, chain, sellers } = parts;
  const { signal, kind, payeeDeposit } = options;
  const { block } = await chain.head({ signal });
  if (signal?.aborted) throw aborted(signal, "opening the channel");
  const terms = {
    payee: target.payee,
    payeeDestination: target.payeeDestination,
    asset: options.asset === undefined ? target.asset : checkHex(options.asset, "asset", 20),
    deposit: options.deposit,
    challengeDuration: options.challengeDuration ?? target.challengeDuration,
    confirmations: options.confirmations ?? target.confirmations,
    kind,
    payeeDeposit,
    route,
  };
  const channelId = driver.run((core) => core.openChannel(terms, now()));
  // The wait begins in the same breath as the proposal, so that it misses nothing.
  const opening = new Opening(parts, channelId, options);
  const noted = sellers.note({ channelId, seller: target.walletUrl, block });
  noted.catch((cause: unknown) => {
    const message = "storing where the seller is failed";
    opening.fail(isMillstreamError(cause) ? cause : new MillstreamError("STORE_FAILED", message, { cause }));
  });
  await opening.done;
  return channelId;
}

class Opening {
  readonly done: Promise<void>;
  readonly #parts: Parts;
  readonly #channelId: Hex;
  readonly #onProgress: OpenTermsChosen["onProgress"];
  readonly #isVirtual: boolean;
  #wait: Wait<void> | undefined;
  /** A deposit that is or may be on its way cannot be taken back. */
  #depositOut = false;
  #deposit: { hash: Hex; block?: number } | undefined;

  constructor(parts: Parts, channelId: Hex, { signal, onProgress }: OpenTermsChosen) {
    this.#parts = parts;
    this.#channelId = channelId;
    this.#onProgress = onProgress;
    const onAbort = (error: MillstreamError) => this.#giveUp(error);
    this.#isVirtual = channelInfo(parts, channelId).hubs !== undefined;
    this.done = waitForSignals<void>(parts, { signal, what: "opening the channel", onAbort }, (wait) => {
      this.#wait = wait;
      return [...this.#listen(), this.#patience()];
    });
  }

  /** Somebody on the way may be silent for ever. */
  #patience(): () => void {
    if (!this.#isVirtual) return () => {};
    const message = "somebody on the way did not answer";
    const timer = setTimeout(() => this.fail(new MillstreamError("OPEN_TIMEOUT", message)), LONGEST_OPENING);
    return () => clearTimeout(timer);
  }

  fail(error: MillstreamError): void {
    this.#wait?.reject(this.#giveUp(error));
  }

  #listen(): (() => void)[] {
    const { driver, transactions, sellers, watcher } = this.#parts;
    const ours = <E extends { channelId: Hex }>(listener: (event: E) => void) => {
      return (event: E) => {
        if (event.channelId === this.#channelId) listener(event);
      };
    };
    return [
      driver.signals.on(
        "event",
        ours((event) => this.#onEvent(event)),
      ),
      driver.signals.on(
        "storeFailed",
        ours(({ error }) => this.fail(error)),
      ),
      driver.signals.on(
        "signFailed",
        ours(({ error }) => this.fail(error)),
      ),
      driver.signals.on(
        "submit",
        ours(({ kind }) => {
          if (kind === "approve" || kind === "deposit") this.#progress("depositing");
        }),
      ),
      transactions.signals.on(
        "sent",
        ours(({ kind, hash }) => {
          if (kind !== "deposit") return;
          this.#depositOut = true;
          this.#deposit = { hash };
          this.#progress("depositing");
        }),
      ),
      transactions.signals.on(
        "mined",
        ours(({ kind, hash, block }) => {
          if (kind !== "deposit") return;
          this.#deposit = { hash, block };
          this.#confirming(block);
        }),
      ),
      transactions.signals.on(
        "failed",
        ours(({ kind, error, mayBeMined }) => {
          // A deposit that certainly has no effect leaves nothing behind.
          this.#depositOut = kind === "deposit" && mayBeMined;
          this.fail(error);
        }),
      ),
      sellers.signals.on(
        "failed",
        ours(({ error, attempts }) => {
          const hopeless = error.code !== "SELLER_UNREACHABLE" || attempts >= MAX_ATTEMPTS;
          if (hopeless && !this.#depositOut) this.fail(error);
        }),
      ),
      watcher.signals.on("head", ({ block }) => this.#confirming(block)),
    ];
  }

  #onEvent(event: { type: string; status?: string; code?: string; text?: string }): void {
    if (event.type === "peerError") this.#refused(event.code, clip(event.text));
    if (event.type !== "statusChanged") return;
    switch (event.status) {
      case "initialized":
        return this.#progress("proposed");
      case "signed":
        return this.#progress("accepted");
      case "open":
        this.#progress("open");
        return this.#wait?.resolve();
      case "aborted":
        return this.#given(channelInfo(this.#parts, this.#channelId).aborted);
      default:
        return this.fail(new MillstreamError("CHANNEL_NOT_OPEN", `the channel is ${event.status} before it was open`));
    }
  }

  /** The channel was given up, and why. */
  #given(code: string | undefined): void {
    if (code === "TIMEOUT") this.fail(new MillstreamError("OPEN_TIMEOUT", "the channel was not funded in time"));
    else if (code === "ABORTED") this.fail(new MillstreamError("ABORTED", "the channel was given up"));
    // A direct channel that the seller refused is announced with its words as well.
    else if (this.#isVirtual) this.#refused(code, "somebody on the way does not take it");
  }

  #refused(code: unknown, text: string): void {
    const peerCode = checkCode(code);
    const [name, who] = this.#isVirtual ? ["HUB_REFUSED", "hub"] : ["SELLER_REFUSED", "seller"];
    this.fail(
      new MillstreamError(name, `the ${who} refuses the channel: ${text} (${peerCode})`, { details: { peerCode } }),
    );
  }

  #confirming(head: number): void {
    const { hash, block } = this.#deposit ?? {};
    if (hash === undefined || block === undefined) return;
    const { status, confirmations: needed } = channelInfo(this.#parts, this.#channelId);
    if (status !== "signed") return;
    const confirmations = Math.min(Math.max(head - block + 1, 1), needed);
    this.#progress("confirming", { confirmations, needed });
  }

  #progress(step: OpenStep, more: Partial<OpenProgress> = {}): void {
    const hash = this.#deposit?.hash;
    this.#onProgress?.(step, {
      channelId: this.#channelId,
      ...(hash !== undefined && { transactionHash: hash }),
      ...more,
    });
  }

  /** Aborts the channel if no deposit is out, and says what became of it. */
  #giveUp(error: MillstreamError): MillstreamError {
    const { driver, transactions } = this.#parts;
    const channelId = this.#channelId;
    if (this.#depositOut || transactions.busy(channelId) || driver.stopped.aborted) {
      const text = "the deposit may be under way: the channel stays, and opens by itself when the deposit is confirmed";
      return extend(error, text, { channelId, aborted: false });
    }
    try {
      driver.run((core) => core.abortChannel(channelId, now()));
    } catch {
      // Never stored, or being loaded anew: there is no deposit either way.
    }
    return extend(error, "the channel was given up, nothing was deposited", { channelId, aborted: true });
  }
}
