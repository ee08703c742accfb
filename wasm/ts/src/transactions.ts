// The transactions that the core asks for: those of a channel one after the other, none of them twice.

import type { Chain, TransactionReceipt } from "./chain.js";
import { Driver, now, type Submit } from "./driver.js";
import { toHex } from "./encoding.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import type { Hex, TransactionKind } from "./types.js";

export interface TransactionSignals {
  sent: { channelId: Hex; kind: TransactionKind; hash: Hex };
  mined: { channelId: Hex; kind: TransactionKind } & TransactionReceipt;
  /** `mayBeMined`: nobody can say yet that it has no effect. */
  failed: { channelId: Hex; kind: TransactionKind; error: MillstreamError; mayBeMined: boolean };
}

/** Failures after which a transaction certainly has no effect. */
const WITHOUT_EFFECT = new Set([
  "TRANSACTION_REVERTED",
  "TRANSACTION_REJECTED",
  "TRANSACTION_REFUSED",
  "WRONG_CHAIN",
  "NO_ACCOUNT",
]);

/** How many blocks beyond its confirmations a mined transaction may take to show its effect. */
const GRACE_BLOCKS = 3;

export class Transactions {
  readonly signals = new Events<TransactionSignals>();
  readonly #driver: Driver;
  readonly #chain: Chain;
  readonly #queues = new Map<Hex, Submit[]>();
  /** Mined, its effect not yet confirmed: asked for again, it would only revert. By channel, kind and data. */
  readonly #mined = new Map<string, number>();

  constructor(driver: Driver, chain: Chain) {
    this.#driver = driver;
    this.#chain = chain;
    driver.signals.on("submit", (submit) => this.#submit(submit));
    driver.signals.on("event", ({ type, channelId }) => {
      // What was mined may not be there any more.
      if (type === "reorganised") this.#forgetMined(channelId);
    });
  }

  /** Whether a transaction of the channel waits to be sent or mined. */
  busy(channelId: Hex): boolean {
    return this.#queues.has(channelId);
  }

  /** Told of every new block: what was mined long ago may be asked for again. */
  onHead(block: number): void {
    for (const [key, until] of this.#mined) if (block > until) this.#mined.delete(key);
  }

  #submit(submit: Submit): void {
    const { channelId } = submit;
    const queue = this.#queues.get(channelId);
    const name = nameOf(submit);
    if (this.#mined.has(name) || queue?.some((other) => nameOf(other) === name)) return;
    if (queue) {
      queue.push(submit);
      return;
    }
    const fresh = [submit];
    this.#queues.set(channelId, fresh);
    void this.#send(channelId, fresh).finally(() => this.#forget(channelId, fresh));
  }

  async #send(channelId: Hex, queue: Submit[]): Promise<void> {
    const { stopped } = this.#driver;
    for (let submit; (submit = queue[0]) && !stopped.aborted;) {
      const { kind, to, value, data } = submit;
      let sent = false;
      const onSent = (hash: Hex) => {
        sent = true;
        this.signals.emit("sent", { channelId, kind, hash });
      };
      try {
        const receipt = await this.#chain.sendTransaction({ to, value, data }, { signal: stopped, onSent });
        if (stopped.aborted) return;
        this.#remember(submit, receipt.block);
        queue.shift();
        this.signals.emit("mined", { channelId, kind, ...receipt });
      } catch (cause) {
        if (stopped.aborted) return;
        this.#fail(queue, cause, sent);
        return;
      }
    }
  }

  #forget(channelId: Hex, queue: Submit[]): void {
    if (this.#queues.get(channelId) === queue) this.#queues.delete(channelId);
  }

  #forgetMined(channelId: Hex): void {
    for (const name of this.#mined.keys()) if (name.startsWith(channelId)) this.#mined.delete(name);
  }

  #remember(submit: Submit, block: number): void {
    const confirmations = this.#driver.core.channel(submit.channelId)?.confirmations ?? 1;
    this.#mined.set(nameOf(submit), block + confirmations + GRACE_BLOCKS);
  }

  /** The first transaction failed: whatever was to follow it is not sent either. */
  #fail(queue: Submit[], cause: unknown, sent: boolean): void {
    const error = isMillstreamError(cause)
      ? cause
      : new MillstreamError("TRANSACTION_REFUSED", "the transaction could not be sent", { cause });
    const [failed, ...followers] = queue.splice(0);
    if (!failed) return;
    const { channelId, kind } = failed;
    this.#forget(channelId, queue);
    for (const submit of [failed, ...followers]) {
      // The core may have dropped the channel meanwhile; then there is nothing to tell.
      if (this.#driver.core.channel(channelId))
        this.#driver.run((core) => core.transactionFailed(channelId, submit.kind, now()));
    }
    const mayBeMined = sent ? error.code !== "TRANSACTION_REVERTED" : !WITHOUT_EFFECT.has(error.code);
    this.signals.emit("failed", { channelId, kind, error, mayBeMined });
  }
}

/** Two deposits of a channel are two transactions, one asked for twice is one. */
function nameOf({ channelId, kind, data }: Submit): string {
  return channelId + kind + toHex(data);
}
