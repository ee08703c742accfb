// Drives one core: feeds it, carries out what it asks, in order. What is not about the core's own bookkeeping (the chain,
// the sellers, who waits for what) is told as signals.
//
// Nothing that was signed leaves before it is stored. The core sees to that: what follows a commit is not even in its
// outputs before `committed`. The driver's part is to say `committed` only when the store said so, and to write the
// commits of a channel one after the other.

import type { Core } from "./core.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { toHex } from "./encoding.js";
import { Events } from "./events.js";
import { Lanes, type Commit } from "./lanes.js";
import { Loads } from "./loads.js";
import type { Store } from "./store.js";
import { sleep } from "./waits.js";
import type { CoreEvent, Hex, Output, Purpose, StoredRecord, Write } from "./types.js";

export type Send = Extract<Output, { type: "send" }>;
export type Payment = Extract<Output, { type: "payment" }>;
export type Ask = Extract<Output, { type: "ask" }>;
export type Submit = Extract<Output, { type: "submit" }>;
type Sign = Extract<Output, { type: "sign" }>;

/** What the driver says to the rest of the wallet. */
export interface DriverSignals {
  event: CoreEvent;
  send: Send;
  payment: Payment;
  submit: Submit;
  ask: Ask;
  /** A commit of the channel failed, and everything that waited for it is void. */
  storeFailed: { channelId: Hex; error: MillstreamError };
  /** The signer did not sign: what needed it is given up. */
  signFailed: { channelId: Hex; purpose: Purpose; error: MillstreamError };
  /** The record of this channel was read. */
  loaded: { channelId: Hex };
  /** Something went wrong that no caller is told. */
  error: { error: MillstreamError; channelId?: Hex };
}

/** A key that is elsewhere: in a device, another process, a service. */
export interface ExternalSigner {
  /** The address of the key. */
  readonly address: Hex;
  /**
   * Signs a digest of 32 bytes as it is: 65 bytes, r ‖ s ‖ v, with s in the lower half. It may take its time; what is signed
   * is stored already, so after a crash it is asked for the same again.
   *
   * To reject is to decline, for good: what needed the signature is given up.
   */
  signDigest(digest: Uint8Array, purpose: Purpose): Promise<Uint8Array>;
}

/**
 * Asked, with each commit that a step asks for, for a write of the caller's to go with it: both are stored, or neither. It must
 * not throw.
 */
export type Along = (commit: Commit) => Write | undefined;

/** The longest timer that platforms have, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** How long stopping waits for a write that is under way, in milliseconds. */
const LONGEST_WRITE = 5_000;

/** How often one step may ask for a record: it needs two at most, and others may push them out of memory meanwhile. */
const MAX_LOADS = 8;

/** How often in a row reading may fail until whoever waits for it is told. */
const MAX_READS = 5;

/** Seconds since 1970. */
export const now = (): number => Math.floor(Date.now() / 1_000);

export class Driver {
  readonly core: Core;
  readonly signals = new Events<DriverSignals>();
  readonly #store: Store;
  readonly #signer: ExternalSigner | undefined;
  /** Ends what waits, when the wallet is stopped. */
  readonly #stopped = new AbortController();
  readonly #lanes = new Lanes({
    isOrdered: () => this.#store.isOrdered === true,
    write: (commit) => this.#write(commit),
    stored: (commit) => void this.run((core) => core.committed(commit.id, now())),
    failed: (commit, channels, error) => this.#commitFailed(commit, channels, error),
  });
  readonly #loads = new Loads();
  /** Records that the outputs of this moment ask for; read together. */
  #wanted: Hex[] = [];
  /** The digests that the signer is asked for now. */
  readonly #signing = new Set<string>();
  #draining = false;
  #touched: Set<Hex> | undefined;
  #along: Along | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wakeAt = Infinity;

  constructor(core: Core, store: Store, signer?: ExternalSigner) {
    this.core = core;
    this.#store = store;
    this.#signer = signer;
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
  run<T>(step: (core: Core) => T, along?: Along): T {
    this.requireRunning();
    // In the middle of outputs, those of the step are carried out later, and go alone.
    if (!this.#draining) this.#along = along;
    try {
      return step(this.core);
    } finally {
      this.#drain();
    }
  }

  /**
   * As {@link run}, and again once the record is there that the step named and that was not in memory. The first time is at
   * once.
   *
   * @throws {MillstreamError} as {@link run}; `STORE_FAILED` if the record cannot be read; `RECORD_...` if it is damaged;
   *   `CHANNEL_LOADING` if it does not stay in memory
   */
  async runLoaded<T>(step: (core: Core) => T, touched?: Set<Hex>, along?: Along): Promise<T> {
    for (let round = 1; ; round++) {
      let missing: Hex;
      const before = this.#touched;
      this.#touched = touched ?? before;
      try {
        return this.run(step, along);
      } catch (error) {
        const channelId = loading(error);
        if (channelId === undefined || round > MAX_LOADS) throw error;
        missing = channelId;
      } finally {
        this.#touched = before;
      }
      await this.#recordOf(missing);
    }
  }

  /**
   * As {@link runLoaded}, and waits until everything that the step wanted stored is stored.
   *
   * @returns what the step returned or threw, and the channels that it was about
   */
  async runStored<T>(
    step: (core: Core) => T,
  ): Promise<{ result: T; channels: Set<Hex> } | { error: unknown; channels: Set<Hex> }> {
    // In the middle of outputs, those of the step would be carried out later, by somebody else.
    while (this.#draining) await Promise.resolve();
    const channels = new Set<Hex>();
    let outcome: { result: T } | { error: unknown };
    try {
      outcome = { result: await this.runLoaded(step, channels) };
    } catch (error) {
      outcome = { error };
    }
    await Promise.all([...channels].map((id) => this.stored(id)));
    return { ...outcome, channels };
  }

  /**
   * Reads the record of a channel into memory, if there is one.
   *
   * @throws {MillstreamError} `STORE_FAILED`, `RECORD_...`, `WALLET_STOPPED`
   */
  async load(channelId: Hex): Promise<void> {
    this.requireRunning();
    if (this.core.channel(channelId)) return;
    if (!this.#loads.has(channelId)) {
      this.#loads.begin(channelId);
      void this.#load([channelId]);
    }
    await this.#loads.wait(channelId);
  }

  /** Tells the core the time. What goes wrong with one channel is told, and keeps no other from its turn. */
  tick(): void {
    try {
      this.run((core) => core.tick(now()));
    } catch (error) {
      if (!isMillstreamError(error)) throw error;
      this.signals.emit("error", { error });
    }
  }

  /** Resolves when no commit of the channel waits; also if they failed. */
  stored(channelId: Hex): Promise<void> {
    return this.#lanes.idle(channelId);
  }

  requireRunning(): void {
    if (this.stopped.aborted) throw stopped();
  }

  /**
   * Stops: no step is taken any more. Resolves when everything is stored that left, or when a store has hung for too long.
   *
   * Ticks leave before they are stored. Those that are still on their way when the next start asks the seller how far this
   * one got would be taken for unspent money, and released a second time for something else.
   */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.stopped.aborted) this.#settle();
    this.#stopped.abort();
    this.#loads.close(stopped());
    // In the middle of outputs, what settling asks to be written is still among them.
    while (this.#draining) await Promise.resolve();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, LONGEST_WRITE)));
    await Promise.race([this.#lanes.close(), patience]);
    clearTimeout(timer);
    this.#lanes.clear();
  }

  /** What cannot be stored is as after a crash: the seller is asked. */
  #settle(): void {
    try {
      this.run((core) => core.settle(now()));
    } catch (error) {
      if (!isMillstreamError(error)) throw error;
    }
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let output; (output = this.core.pollOutput());) this.#carryOut(output);
    } finally {
      this.#draining = false;
      this.#along = undefined;
    }
    if (this.#wanted.length > 0) void this.#load(this.#wanted.splice(0));
  }

  #carryOut(output: Output): void {
    switch (output.type) {
      case "commit": {
        for (const { key } of output.writes) this.#touched?.add(key);
        const also = this.#along?.(output);
        return this.#lanes.push(also ? { ...output, writes: [...output.writes, also] } : output);
      }
      case "load":
        for (const key of output.keys) this.#loads.begin(key);
        this.#wanted.push(...output.keys);
        return;
      case "send":
        this.#touched?.add(output.channelId);
        return this.signals.emit("send", output);
      case "sign":
        this.#touched?.add(output.channelId);
        return void this.#sign(output);
      case "payment":
        return this.signals.emit("payment", output);
      case "submit":
        return this.signals.emit("submit", output);
      case "ask":
        return this.signals.emit("ask", output);
      case "notify":
        return this.signals.emit("event", output.event);
      case "wakeAt":
        return this.#wake(output.time);
    }
  }

  // ---- storing ------------------------------------------------------------------------------------------------------

  async #write({ writes }: Commit): Promise<MillstreamError | undefined> {
    try {
      await this.#store.commit(writes);
      return undefined;
    } catch (cause) {
      if (isMillstreamError(cause) && cause.code === "STORE_CONFLICT") return cause;
      const message = "storing failed, so nothing that depends on it was sent; the channel is as it was stored last";
      return new MillstreamError("STORE_FAILED", message, { cause });
    }
  }

  #commitFailed(commit: Commit, channels: ReadonlySet<Hex>, error: MillstreamError): void {
    for (const channelId of channels) this.signals.emit("storeFailed", { channelId, error });
    this.run((core) => core.commitFailed(commit.id, now()));
  }

  // ---- loading ------------------------------------------------------------------------------------------------------

  /** Waits for a record that the core asked for. */
  async #recordOf(channelId: Hex): Promise<void> {
    // In the middle of outputs, the core's request is still among them.
    while (this.#draining) await Promise.resolve();
    await this.#loads.wait(channelId);
  }

  /** Reads records until the store answers, and gives them to the core. */
  async #load(keys: readonly Hex[]): Promise<void> {
    // What is being written there belongs to a commit that is void; its outcome counts all the same.
    await this.#lanes.settled(keys);
    for (let reads = 1, pause = 250; !this.stopped.aborted; reads++, pause = Math.min(pause * 2, 30_000)) {
      let records: StoredRecord[];
      try {
        records = await this.#store.read(keys);
      } catch (cause) {
        const error = new MillstreamError("STORE_FAILED", "the store cannot be read; trying again", { cause });
        this.signals.emit("error", { error });
        if (reads % MAX_READS === 0) for (const key of keys) this.#loads.giveUp(key, error);
        await sleep(pause, this.stopped, "reading the store").catch(() => {});
        continue;
      }
      const found = new Map(records.map((record) => [record.key, record]));
      for (const key of keys) this.#take(found.get(key) ?? { key, version: 0, bytes: undefined });
      return;
    }
  }

  #take(record: StoredRecord): void {
    if (this.stopped.aborted) return;
    const { key } = record;
    try {
      this.run((core) => core.loaded([record], now()));
    } catch (error) {
      // A damaged record stays out of use; the others go on.
      if (!isMillstreamError(error)) throw error;
      this.#loads.fail(key, error);
      this.signals.emit("error", { error });
      return;
    }
    this.#loads.finish(key);
    if (this.core.channel(key)) this.signals.emit("loaded", { channelId: key });
  }

  // ---- signing ------------------------------------------------------------------------------------------------------

  async #sign({ channelId, digest, purpose }: Sign): Promise<void> {
    const name = toHex(digest);
    // Asked for again after a resume: the answer to the first request will do.
    if (this.#signing.has(name)) return;
    this.#signing.add(name);
    try {
      const signature = await this.#signer?.signDigest(digest.slice(), purpose);
      if (this.stopped.aborted) return;
      this.#signing.delete(name);
      await this.runLoaded((core) => core.signed(digest, signature ?? new Uint8Array(0), now()));
    } catch (cause) {
      this.#signing.delete(name);
      await this.#declined({ channelId, digest, purpose }, cause);
    }
  }

  async #declined({ channelId, digest, purpose }: Omit<Sign, "type">, cause: unknown): Promise<void> {
    if (this.stopped.aborted) return;
    // After a resume the core may not wait for it any more.
    if (isMillstreamError(cause) && cause.code === "UNKNOWN_SIGNATURE") return;
    const message = `the signer did not sign a ${purpose}: what needed it is given up`;
    const error = new MillstreamError("SIGN_REFUSED", message, { cause, details: { channelId } });
    this.signals.emit("signFailed", { channelId, purpose, error });
    await this.runLoaded((core) => core.signRefused(digest, now())).catch(() => {});
  }

  // ---- time ---------------------------------------------------------------------------------------------------------

  #wake(time: number): void {
    if (time >= this.#wakeAt) return;
    clearTimeout(this.#timer);
    this.#wakeAt = time;
    const wait = Math.min(Math.max(time * 1_000 - Date.now(), 0), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      this.#wakeAt = Infinity;
      if (!this.stopped.aborted) this.tick();
    }, wait);
  }
}

/** The channel that a step named and whose record is not in memory. */
function loading(error: unknown): Hex | undefined {
  return isMillstreamError(error) && error.code === "CHANNEL_LOADING" ? error.details.channelId : undefined;
}

const stopped = () => new MillstreamError("WALLET_STOPPED", "the wallet was stopped: open it again");
