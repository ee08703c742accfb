// Drives one core: feeds it, carries out what it asks, in order. What is not about the core's own bookkeeping (the chain,
// the sellers, who waits for what) is told as signals.
//
// Nothing that was signed leaves before it is stored. The core sees to that: what follows a commit is not even in its
// outputs before `committed`. The driver's part is to say `committed` only when the store said so, and to write the
// commits of a channel one after the other.

import type { Core } from "./core.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import type { Store } from "./store.js";
import { sleep } from "./turns.js";
import type { CoreEvent, Hex, Output, StoredRecord } from "./types.js";

type Commit = Extract<Output, { type: "commit" }>;
export type Send = Extract<Output, { type: "send" }>;
export type Payment = Extract<Output, { type: "payment" }>;
export type Submit = Extract<Output, { type: "submit" }>;

/** What the driver says to the rest of the wallet. */
export interface DriverSignals {
  event: CoreEvent;
  send: Send;
  payment: Payment;
  submit: Submit;
  /** A commit of the channel failed, and everything that waited for it is void. */
  storeFailed: { channelId: Hex; error: MillstreamError };
  /** The records of these channels were read again. */
  reloaded: { keys: readonly Hex[] };
  /** Something went wrong that no caller is told. */
  error: { error: MillstreamError; channelId?: Hex };
}

/** The longest timer that platforms have, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** How long stopping waits for a write that is under way, in milliseconds. */
const LONGEST_WRITE = 5_000;

/** Seconds since 1970. */
export const now = (): number => Math.floor(Date.now() / 1_000);

export class Driver {
  readonly core: Core;
  readonly signals = new Events<DriverSignals>();
  readonly #store: Store;
  /** Ends what waits, when the wallet is stopped. */
  readonly #stopped = new AbortController();
  /** The commits of each channel that are not stored yet, oldest first. */
  readonly #lanes = new Map<Hex, { commits: Commit[]; idle: Promise<void> }>();
  #draining = false;
  #touched: Set<Hex> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wakeAt = Infinity;

  constructor(core: Core, store: Store) {
    this.core = core;
    this.#store = store;
  }

  /** Aborted when the wallet is stopped. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /**
   * Takes one step of the core, then carries out everything that it asks.
   *
   * Whoever listens may take steps of its own: those run at once, and what they ask for comes after what is asked already.
   *
   * @throws {MillstreamError} what the core throws, and `WALLET_STOPPED`
   */
  run<T>(step: (core: Core) => T): T {
    this.requireRunning();
    try {
      return step(this.core);
    } finally {
      this.#drain();
    }
  }

  /**
   * As {@link run}, and waits until everything that the step wanted stored is stored.
   *
   * @returns what the step returned or threw, and the channels that it was about
   */
  async runStored<T>(
    step: (core: Core) => T,
  ): Promise<{ result: T; channels: Set<Hex> } | { error: unknown; channels: Set<Hex> }> {
    // In the middle of outputs, those of the step would be carried out later, by somebody else.
    while (this.#draining) await Promise.resolve();
    const channels = new Set<Hex>();
    this.#touched = channels;
    let outcome: { result: T } | { error: unknown };
    try {
      outcome = { result: this.run(step) };
    } catch (error) {
      outcome = { error };
    } finally {
      this.#touched = undefined;
    }
    await Promise.all([...channels].map((id) => this.stored(id)));
    return { ...outcome, channels };
  }

  /** Resolves when no commit of the channel waits; also if they failed. */
  async stored(channelId: Hex): Promise<void> {
    for (let lane; (lane = this.#lanes.get(channelId));) await lane.idle;
  }

  requireRunning(): void {
    if (this.stopped.aborted) throw new MillstreamError("WALLET_STOPPED", "the wallet was stopped: open it again");
  }

  /** Stops: no step is taken any more. Resolves when nothing is being written, or when a store has hung for too long. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopped.abort();
    const written = Promise.all([...this.#lanes.values()].map((lane) => lane.idle));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, LONGEST_WRITE)));
    await Promise.race([written, patience]);
    clearTimeout(timer);
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let output; (output = this.core.pollOutput());) this.#carryOut(output);
    } finally {
      this.#draining = false;
    }
  }

  #carryOut(output: Output): void {
    switch (output.type) {
      case "commit":
        return this.#commit(output);
      case "load":
        return void this.#load(output.keys);
      case "send":
        this.#touched?.add(output.channelId);
        return this.signals.emit("send", output);
      case "payment":
        return this.signals.emit("payment", output);
      case "submit":
        return this.signals.emit("submit", output);
      case "notify":
        return this.signals.emit("event", output.event);
      case "wakeAt":
        return this.#wake(output.time);
    }
  }

  // ---- storing ------------------------------------------------------------------------------------------------------

  #commit(commit: Commit): void {
    // The core writes one record per commit; a lane is the channel's.
    const channelId = commit.writes[0]?.key;
    if (channelId === undefined) return;
    this.#touched?.add(channelId);
    const lane = this.#lanes.get(channelId);
    if (lane) {
      lane.commits.push(commit);
      return;
    }
    const commits = [commit];
    const idle = this.#write(channelId, commits).finally(() => this.#lanes.delete(channelId));
    this.#lanes.set(channelId, { commits, idle });
  }

  async #write(channelId: Hex, commits: Commit[]): Promise<void> {
    for (let commit; (commit = commits[0]);) {
      const failure = await this.#tryCommit(commit);
      // Stopped meanwhile: what was stored is read at the next start.
      if (this.stopped.aborted) return;
      if (failure) {
        // Later writes of the channel stand on this one, and the core gives them up with it.
        commits.length = 0;
        this.signals.emit("storeFailed", { channelId, error: failure });
        this.run((core) => core.commitFailed(commit.id));
        return;
      }
      commits.shift();
      this.run((core) => core.committed(commit.id));
    }
  }

  async #tryCommit(commit: Commit): Promise<MillstreamError | undefined> {
    try {
      await this.#store.commit(commit.writes);
      return undefined;
    } catch (cause) {
      if (isMillstreamError(cause) && cause.code === "STORE_CONFLICT") return cause;
      const message = "storing failed, so nothing that depends on it was sent; the channel is as it was stored last";
      return new MillstreamError("STORE_FAILED", message, { cause });
    }
  }

  /** Reads records again after a failed commit, until the store answers. */
  async #load(keys: readonly Hex[]): Promise<void> {
    for (let pause = 250; !this.stopped.aborted; pause = Math.min(pause * 2, 30_000)) {
      let records: StoredRecord[];
      try {
        records = await this.#store.read(keys);
      } catch (cause) {
        const error = new MillstreamError("STORE_FAILED", "the store cannot be read; trying again", { cause });
        this.signals.emit("error", { error });
        await sleep(pause, this.stopped, "reading the store").catch(() => {});
        continue;
      }
      if (this.stopped.aborted) return;
      try {
        this.run((core) => core.loaded(records));
        this.signals.emit("reloaded", { keys });
      } catch (error) {
        // A damaged record stays out of use; the others go on.
        if (isMillstreamError(error)) this.signals.emit("error", { error });
      }
      return;
    }
  }

  // ---- time ---------------------------------------------------------------------------------------------------------

  #wake(time: number): void {
    if (time >= this.#wakeAt) return;
    clearTimeout(this.#timer);
    this.#wakeAt = time;
    const wait = Math.min(Math.max(time * 1_000 - Date.now(), 0), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      this.#wakeAt = Infinity;
      if (!this.stopped.aborted) this.run((core) => core.tick(now()));
    }, wait);
  }
}
