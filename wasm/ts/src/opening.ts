// Opening a channel: terms, prefund, deposit, confirmations, postfund. Source: docs/protocol.md, Opening.

import { now } from "./driver.js";
import { MillstreamError, aborted, checkHex, isMillstreamError } from "./errors.js";
import type { Offer } from "./offer.js";
import { channelInfo, extend, waitForSignals, type Parts, type Wait } from "./parts.js";
import { checkCode } from "./transport.js";
import { clip } from "./rpc.js";
import type { Hex } from "./types.js";

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
  /** In base units of the asset. */
  deposit: bigint;
  /** Default: what the seller's quote asks for. */
  asset?: Hex | undefined;
  /** In seconds. Default: the quote's. */
  challengeDuration?: number | undefined;
  /** How many blocks deep the deposit must be. Default: the quote's. */
  confirmations?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((step: OpenStep, info: OpenProgress) => void) | undefined;
}

/** A seller that does not answer this often in a row is given up, as long as nothing was deposited. */
const MAX_ATTEMPTS = 5;

/**
 * Opens a channel with the seller of `offer`, up to the first possible payment.
 *
 * @returns the channel's id
 * @throws {MillstreamError} whatever ends it, with `details.channelId` once there is one, and `details.aborted`: whether
 *   the channel was given up without a deposit. If not, the deposit may still arrive and the channel open by itself.
 */
export async function openChannel(parts: Parts, offer: Offer, options: OpenTermsChosen): Promise<Hex> {
  const { driver, chain, sellers } = parts;
  const { signal } = options;
  const { block } = await chain.head({ signal });
  if (signal?.aborted) throw aborted(signal, "opening the channel");
  const terms = {
    payee: offer.payee,
    payeeDestination: offer.payeeDestination,
    asset: options.asset === undefined ? offer.asset : checkHex(options.asset, "asset", 20),
    deposit: options.deposit,
    challengeDuration: options.challengeDuration ?? offer.challengeDuration,
    confirmations: options.confirmations ?? offer.confirmations,
  };
  const channelId = driver.run((core) => core.openChannel(terms, now()));
  // The wait begins in the same breath as the proposal, so that it misses nothing.
  const opening = new Opening(parts, channelId, options);
  const noted = sellers.note({ channelId, seller: offer.walletUrl, block });
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
  #wait: Wait<void> | undefined;
  /** A deposit that is or may be on its way cannot be taken back. */
  #depositOut = false;
  #deposit: { hash: Hex; block?: number } | undefined;

  constructor(parts: Parts, channelId: Hex, { signal, onProgress }: OpenTermsChosen) {
    this.#parts = parts;
    this.#channelId = channelId;
    this.#onProgress = onProgress;
    const onAbort = (error: MillstreamError) => this.#giveUp(error);
    this.done = waitForSignals<void>(parts, { signal, what: "opening the channel", onAbort }, (wait) => {
      this.#wait = wait;
      return this.#listen();
    });
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
    if (event.type === "peerError") {
      const peerCode = checkCode(event.code);
      const message = `the seller refuses the channel: ${clip(event.text)} (${peerCode})`;
      this.fail(new MillstreamError("SELLER_REFUSED", message, { details: { peerCode } }));
    }
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
        // A channel that the seller refused is announced with its words as well.
        if (channelInfo(this.#parts, this.#channelId).aborted === "TIMEOUT")
          this.fail(new MillstreamError("OPEN_TIMEOUT", "the channel was not funded in time"));
        else if (channelInfo(this.#parts, this.#channelId).aborted === "ABORTED")
          this.fail(new MillstreamError("ABORTED", "the channel was given up"));
        return;
      default:
        return this.fail(new MillstreamError("CHANNEL_NOT_OPEN", `the channel is ${event.status} before it was open`));
    }
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
