// The commits under way: those that share a channel one after the other, in the order in which they came, others at once.
// A store that keeps the order by itself is asked for all of them at once, and may write them together.

import type { MillstreamError } from "./errors.js";
import type { Hex, Output } from "./types.js";

export type Commit = Extract<Output, { type: "commit" }>;

/** The commits of one channel that are not stored yet, oldest first. */
interface Lane {
  readonly commits: Commit[];
  /** Set when one of them failed: no other one is begun. */
  isVoid: boolean;
  readonly idle: Promise<void>;
  readonly end: () => void;
}

/** Who writes, and who is told. */
export interface LaneHost {
  /** Whether commits are stored in the order in which they are begun, each on top of those before it. */
  isOrdered(): boolean;
  /** Stores a commit; says why if it did not. */
  write(commit: Commit): Promise<MillstreamError | undefined>;
  stored(commit: Commit): void;
  /** `channels`: those of the commit, and of every later one that stands on it. They are void with it. */
  failed(commit: Commit, channels: ReadonlySet<Hex>, error: MillstreamError): void;
}

export class Lanes {
  readonly #host: LaneHost;
  readonly #lanes = new Map<Hex, Lane>();
  readonly #writing = new Map<Commit, Promise<void>>();
  #closed = false;

  constructor(host: LaneHost) {
    this.#host = host;
  }

  push(commit: Commit): void {
    if (this.#closed) return;
    for (const { key } of commit.writes) this.#lane(key).commits.push(commit);
    this.#start(commit);
  }

  /** Resolves when no commit of the channel waits; also if they failed. */
  async idle(channelId: Hex): Promise<void> {
    for (let lane; (lane = this.#lanes.get(channelId));) await lane.idle;
  }

  /** Resolves when nothing is being written under these keys. What comes after it may not have been begun. */
  async settled(keys: readonly Hex[]): Promise<void> {
    const touched = [...this.#writing].filter(([{ writes }]) => writes.some(({ key }) => keys.includes(key)));
    await Promise.all(touched.map(([, written]) => written));
  }

  /** Takes no commit any more, and tells nobody of those that end. Resolves when all are written, or one could not be. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#writing.size > 0) await Promise.all(this.#writing.values());
  }

  /** Ends every wait. */
  clear(): void {
    const lanes = [...this.#lanes.values()];
    this.#lanes.clear();
    for (const lane of lanes) lane.end();
  }

  #lane(key: Hex): Lane {
    let lane = this.#lanes.get(key);
    if (!lane) {
      let end = () => {};
      const idle = new Promise<void>((resolve) => (end = resolve));
      this.#lanes.set(key, (lane = { commits: [], isVoid: false, idle, end }));
    }
    return lane;
  }

  #isFirst(commit: Commit): boolean {
    return commit.writes.every(({ key }) => this.#lanes.get(key)?.commits[0] === commit);
  }

  #isValid({ writes }: Commit): boolean {
    return writes.every(({ key }) => this.#lanes.get(key)?.isVoid === false);
  }

  #start(commit: Commit): void {
    if (this.#writing.has(commit)) return;
    if (!this.#isFirst(commit) && !(this.#host.isOrdered() && this.#isValid(commit))) return;
    this.#writing.set(commit, this.#write(commit, this.#writtenBefore(commit)));
  }

  /** The writes that a commit comes right behind. */
  #writtenBefore(commit: Commit): (Promise<void> | undefined)[] {
    return commit.writes.map(({ key }) => {
      const { commits = [] } = this.#lanes.get(key) ?? {};
      const before = commits[commits.lastIndexOf(commit) - 1];
      return before && this.#writing.get(before);
    });
  }

  async #write(commit: Commit, before: readonly (Promise<void> | undefined)[]): Promise<void> {
    const failure = await this.#host.write(commit);
    // It is only told once what it stands on is.
    await Promise.all(before);
    this.#writing.delete(commit);
    // Void with another one that failed meanwhile.
    if (!this.#isFirst(commit)) return;
    if (!failure) this.#finish(commit);
    else if (!this.#closed) this.#fail(commit, failure);
  }

  #finish(commit: Commit): void {
    if (!this.#closed) this.#host.stored(commit);
    for (const { key } of commit.writes) {
      const lane = this.#lanes.get(key);
      lane?.commits.shift();
      const [next] = lane?.commits ?? [];
      if (next) this.#start(next);
      else if (this.#lanes.delete(key)) lane?.end();
    }
  }

  #fail(commit: Commit, error: MillstreamError): void {
    for (const id of this.#standingOn(commit)) {
      const lane = this.#lanes.get(id);
      if (lane) lane.isVoid = true;
    }
    // Whoever is told may still add commits: they come behind this one, and are void as well.
    this.#host.failed(commit, this.#standingOn(commit), error);
    for (const id of this.#standingOn(commit)) {
      const lane = this.#lanes.get(id);
      this.#lanes.delete(id);
      lane?.end();
    }
  }

  /** The channels of a commit, and of every commit behind it, and behind those. */
  #standingOn(commit: Commit): Set<Hex> {
    const channels = new Set<Hex>(commit.writes.map(({ key }) => key));
    // A set that grows while it is gone through.
    for (const id of channels)
      for (const { writes } of this.#lanes.get(id)?.commits ?? []) for (const { key } of writes) channels.add(key);
    return channels;
  }
}
