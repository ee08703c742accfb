// Watches the chain for the wallet's channels.

import type { Chain } from "./chain.js";
import { Driver, now } from "./driver.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import { sleep } from "./turns.js";
import type { ChannelInfo, Hex, Log } from "./types.js";

export interface WatcherSignals {
  head: { block: number; time: number };
}

/** How many blocks one request for logs covers. */
const RANGE = 2_000;
/** How many blocks are read again with every look, at least: deeper ones do not change. */
const MIN_OVERLAP = 10;
/** How long to wait for a chain that does not answer, at most, in milliseconds. */
const LONGEST_PAUSE = 30_000;

export class Watcher {
  readonly signals = new Events<WatcherSignals>();
  readonly #driver: Driver;
  readonly #chain: Chain;
  readonly #pollInterval: number;
  readonly #opened: (channelId: Hex) => number | undefined;
  /** The newest block looked at; undefined until the history of the loaded channels was read. */
  #scanned: number | undefined;
  /** Where this watcher began to read. */
  #start: number | undefined;
  #failing = false;
  #wake: (() => void) | undefined;

  /** `opened`: the block in which a channel was proposed, if it is known. */
  constructor(driver: Driver, chain: Chain, pollInterval: number, opened: (channelId: Hex) => number | undefined) {
    this.#driver = driver;
    this.#chain = chain;
    this.#pollInterval = pollInterval;
    this.#opened = opened;
    // While a record is loaded anew, events of its channel pass by unheard.
    driver.signals.on("reloaded", () => (this.#scanned = undefined));
    driver.signals.on("event", () => this.#wake?.());
  }

  /** Watches until the driver is stopped. */
  async run(): Promise<void> {
    const { stopped } = this.#driver;
    for (let pause = this.#pollInterval; !stopped.aborted;) {
      try {
        if (this.#watched().length === 0) await this.#idle();
        else await this.#look();
        this.#failing = false;
        pause = this.#pollInterval;
      } catch (error) {
        if (stopped.aborted) return;
        this.#report(error);
        pause = Math.min(Math.max(pause, 250) * 2, LONGEST_PAUSE);
      }
      await sleep(pause, stopped, "the next look at the chain").catch(() => {});
    }
  }

  /** The channels that something may still happen to. */
  #watched(): ChannelInfo[] {
    return this.#driver.core.channels().filter(({ status }) => status !== "closed" && status !== "aborted");
  }

  /** Waits until there is a channel to watch: nothing that happened before concerns it. */
  async #idle(): Promise<void> {
    const { stopped } = this.#driver;
    const { block } = await this.#chain.head({ signal: stopped });
    this.#scanned = block;
    this.#start ??= block;
    if (this.#watched().length > 0 || stopped.aborted) return;
    await new Promise<void>((resolve) => {
      this.#wake = () => {
        stopped.removeEventListener("abort", wake);
        resolve();
      };
      const wake = this.#wake;
      stopped.addEventListener("abort", wake, { once: true });
    });
    this.#wake = undefined;
  }

  async #look(): Promise<void> {
    const { stopped } = this.#driver;
    const head = await this.#chain.head({ signal: stopped });
    if (head.block !== this.#scanned) {
      const fromBlock = this.#from(head.block);
      this.#start ??= fromBlock;
      const logs: Log[] = [];
      for (let from = fromBlock; from <= head.block; from += RANGE)
        logs.push(...(await this.#chain.logs(from, Math.min(from + RANGE - 1, head.block), { signal: stopped })));
      if (stopped.aborted) return;
      const update = { fromBlock, headBlock: head.block, headTime: head.time, logs };
      this.#driver.run((core) => core.chainUpdate(update, now()));
      this.#scanned = head.block;
    }
    this.signals.emit("head", head);
  }

  /** Where to read from: behind everything that the core may still be waiting to see confirmed, or lost. */
  #from(head: number): number {
    const watched = this.#watched();
    const confirmations = Math.max(...watched.map((channel) => channel.confirmations), MIN_OVERLAP / 2);
    const first = this.#chain.firstBlock ?? 0;
    const known = this.#scanned ?? Math.min(...watched.map((channel) => this.#known(channel)));
    return Math.max(Math.min(known, head) - 2 * confirmations, first, 0);
  }

  /** The block up to which a channel's history is in its record. */
  #known({ id, seenBlock }: ChannelInfo): number {
    return seenBlock ?? this.#opened(id) ?? this.#start ?? 0;
  }

  /** Says once that the chain cannot be watched, until it can again. */
  #report(cause: unknown): void {
    if (this.#failing) return;
    this.#failing = true;
    const error = isMillstreamError(cause)
      ? cause
      : new MillstreamError("CHAIN_UNREACHABLE", "the chain cannot be watched; trying again", { cause });
    this.#driver.signals.emit("error", { error });
  }
}
