// Watches the chain for the wallet's channels.

import type { Chain } from "./chain.js";
import { Driver, now } from "./driver.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import { sleep } from "./waits.js";
import type { ChannelInfo, Hex, Log } from "./types.js";

export interface WatcherSignals {
  head: { block: number; time: number };
}

/** What a watcher is told about the wallet. */
export interface WatcherOptions {
  /** How long to wait between two looks at the chain, in milliseconds. */
  pollInterval: number;
  /** The block in which a channel was proposed, or an earlier one, if it is known. */
  opened: (channelId: Hex) => number | undefined;
  /** Whether every channel of the wallet is in memory. */
  complete: () => boolean;
  /** Told up to which block the chain was read. */
  onRead?: ((block: number) => void) | undefined;
}

interface Anchor {
  readonly block: number;
  readonly hash: Hex;
}

/** How many blocks one request for logs covers. */
const RANGE = 2_000;
/** How many blocks are read again with every look, at least. Deeper ones change only in a deep reorganisation. */
const MIN_OVERLAP = 10;
/** How far back is read after a deep reorganisation, in blocks: as far as the core takes events back. */
const DEEP = 1_024;
/** How long to wait for a chain that does not answer, at most, in milliseconds. */
const LONGEST_PAUSE = 30_000;

export class Watcher {
  readonly signals = new Events<WatcherSignals>();
  readonly #driver: Driver;
  readonly #chain: Chain;
  readonly #options: WatcherOptions;
  /** The newest block looked at, and its hash; undefined until the history of the loaded channels was read. */
  #scanned: number | undefined;
  #scannedHash: Hex | undefined;
  /** Everything from this block to the newest one was reported to the core. */
  #start: number | undefined;
  /** A channel came into memory whose history begins before that: where to read from at the next look. */
  #again: number | undefined;
  /** A block below everything that the next look reads: while it is the same, so is everything below it. */
  #anchor: Anchor | undefined;
  #failing = false;
  #wake: (() => void) | undefined;

  constructor(driver: Driver, chain: Chain, options: WatcherOptions) {
    this.#driver = driver;
    this.#chain = chain;
    this.#options = options;
    driver.signals.on("loaded", ({ channelId }) => this.#onLoaded(channelId));
    driver.signals.on("event", () => this.#wake?.());
  }

  /** The chain was read up to `block` by an earlier process: what came after it is read first. */
  readFrom(block: number): void {
    [this.#again, this.#start] = [block, 0];
  }

  /** Watches until the driver is stopped. */
  async run(): Promise<void> {
    const { stopped } = this.#driver;
    const { pollInterval } = this.#options;
    for (let pause = pollInterval; !stopped.aborted;) {
      try {
        if (this.#options.complete() && this.#watched().length === 0) await this.#idle();
        else await this.#look();
        this.#failing = false;
        pause = pollInterval;
      } catch (error) {
        if (stopped.aborted) return;
        this.#report(error);
        pause = Math.min(Math.max(pause, 250) * 2, LONGEST_PAUSE);
      }
      await sleep(pause, stopped, "the next look at the chain").catch(() => {});
    }
  }

  /** The channels in memory that something may still happen to. */
  #watched(): ChannelInfo[] {
    return this.#driver.core.channels().filter(({ status }) => status !== "closed" && status !== "aborted");
  }

  #onLoaded(channelId: Hex): void {
    const info = this.#driver.core.channel(channelId);
    if (!info || this.#start === undefined) return;
    const known = this.#known(info);
    if (known < this.#start) this.#again = Math.min(this.#again ?? known, known);
  }

  /** Waits until there is a channel to watch: nothing that happened before concerns it. */
  async #idle(): Promise<void> {
    const { stopped } = this.#driver;
    const { block } = await this.#chain.head({ signal: stopped });
    [this.#scanned, this.#scannedHash, this.#anchor] = [block, undefined, undefined];
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
    const again = this.#again;
    if (head.block !== this.#scanned || head.hash !== this.#scannedHash || again !== undefined) {
      const { fromBlock, anchor } = await this.#from(head.block);
      const logs: Log[] = [];
      for (let from = fromBlock; from <= head.block; from += RANGE)
        logs.push(...(await this.#chain.logs(from, Math.min(from + RANGE - 1, head.block), { signal: stopped })));
      if (stopped.aborted) return;
      const update = { fromBlock, headBlock: head.block, headTime: head.time, logs };
      this.#driver.run((core) => core.chainUpdate(update, now()));
      this.#start = Math.min(this.#start ?? fromBlock, fromBlock);
      if (this.#again === again) this.#again = undefined;
      [this.#scanned, this.#scannedHash, this.#anchor] = [head.block, head.hash, anchor];
      this.#options.onRead?.(head.block);
    }
    this.signals.emit("head", head);
  }

  /**
   * Where to read from: behind everything that the core may still be waiting to see confirmed, or lost. And the anchor for
   * the next time.
   */
  async #from(head: number): Promise<{ fromBlock: number; anchor: Anchor | undefined }> {
    const watched = this.#watched();
    const overlap = 2 * Math.max(...watched.map((channel) => channel.confirmations), MIN_OVERLAP / 2);
    const first = this.#chain.firstBlock ?? 0;
    const before = this.#anchor;
    // In this order, a reorganisation in between is noticed, now or at the next look.
    const anchor = await this.#blockAt(head - overlap - 1);
    const same = before === undefined || (await this.#blockAt(before.block))?.hash === before.hash;
    const read = this.#scanned ?? Math.min(...watched.map((channel) => this.#known(channel)), head);
    const froms = [Math.min(read, head, this.#again ?? head) - overlap];
    if (!same) froms.push(head - DEEP);
    else if (before) froms.push(before.block + 1);
    return { fromBlock: Math.max(Math.min(...froms), first, 0), anchor };
  }

  /** A block and its hash; `undefined` if there is none, or if the chain cannot tell. */
  async #blockAt(block: number): Promise<Anchor | undefined> {
    if (block < 0) return undefined;
    const hash = await this.#chain.blockHash?.(block, { signal: this.#driver.stopped });
    return hash && { block, hash };
  }

  /** The block up to which a channel's history is in its record. */
  #known({ id, seenBlock }: ChannelInfo): number {
    return seenBlock ?? this.#options.opened(id) ?? this.#start ?? 0;
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
