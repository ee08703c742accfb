// What is owed for a film that is paid by the second: how much of it was played, what was fetched, what was paid. No player,
// no network, no clock of its own.

/** Where a film is. */
export interface MediaTime {
  /** In the film, in seconds. */
  readonly media: number;
  /** Real time, in seconds, from any beginning. */
  readonly wall: number;
  /** How many seconds of the film pass in a second. */
  readonly rate: number;
}

/** How much more than real time allows a film may have moved between two looks at it, in seconds: clocks are not exact. */
const SLACK = 0.1;

/** Counts the seconds of a film that were played. What was skipped, and standing still, counts nothing. */
export class PlayClock {
  #played = 0;
  #last: MediaTime | undefined;
  /** What of the film was played: beginning and end of each stretch, in order, with gaps between them. */
  #seen: readonly (readonly [number, number])[] = [];

  /** In seconds of the film. */
  get played(): number {
    return this.#played;
  }

  /** The same without what was played before: how much of the film was seen. */
  get seen(): number {
    return this.#seen.reduce((sum, [from, to]) => sum + to - from, 0);
  }

  /** The film is here, and was playing since the last call, unless {@link stand} came in between. */
  run(now: MediaTime): void {
    const last = this.#last;
    this.#last = now;
    if (!last) return;
    const moved = now.media - last.media;
    const possible = Math.max(0, now.wall - last.wall) * Math.max(0, last.rate, now.rate) + SLACK;
    if (!(moved > 0)) return;
    const played = Math.min(moved, possible);
    this.#played += played;
    this.#see(now.media - played, now.media);
  }

  /** It does not play, or jumps: whatever its position does until the next {@link run} was not played. */
  stand(): void {
    this.#last = undefined;
  }

  #see(from: number, to: number): void {
    const apart = this.#seen.filter(([begin, end]) => end < from || begin > to);
    const touched = this.#seen.filter(([begin, end]) => end >= from && begin <= to);
    const begin = touched.reduce((least, [at]) => Math.min(least, at), from);
    const end = touched.reduce((most, [, at]) => Math.max(most, at), to);
    this.#seen = [...apart, [begin, end] as const].sort(([a], [b]) => a - b);
  }
}

/** How payment is asked for. */
export interface MeterTerms {
  /** Of a second, in base units. */
  readonly price: bigint;
  /** How far payment may lag behind what was asked for, in base units. */
  readonly credit: bigint;
}

/** Chunks that were asked for on credit, and what is owed for them: each counts from when it is first asked for. */
export class CreditBook {
  /** Those that have not arrived: what they cost, and whether they are waited for, did not come, or are not wanted any more. */
  readonly #asked = new Map<number, { readonly cost: bigint; state: "waiting" | "lost" | "unwanted" }>();
  #owed = 0n;

  /** In base units. */
  get owed(): bigint {
    return this.#owed;
  }

  /** Whether any of them may still come. */
  get isWaiting(): boolean {
    return [...this.#asked.values()].some(({ state }) => state === "waiting");
  }

  /**
   * What is paid for chunks that are wanted and did not come, in base units: what a seller can keep that serves nothing.
   *
   * @param more what is about to be paid
   */
  ahead(more = 0n): bigint {
    let cost = more - this.#owed;
    for (const entry of this.#asked.values()) if (entry.state !== "unwanted") cost += entry.cost;
    return cost > 0n ? cost : 0n;
  }

  has(index: number): boolean {
    return this.#asked.has(index);
  }

  /** What has to be paid before a chunk is asked for, so that no more than the credit is owed: whole prices. */
  due(cost: bigint, { price, credit }: MeterTerms): bigint {
    const most = this.#owed + cost;
    const missing = most - credit;
    if (missing <= 0n) return 0n;
    const due = ((missing + price - 1n) / price) * price;
    return due < most ? due : most;
  }

  /** Chunk `index` is asked for. @returns what that adds to what is owed: nothing if it was asked for before */
  ask(index: number, cost: bigint): bigint {
    const before = this.#asked.get(index);
    if (before) before.state = "waiting";
    else {
      this.#asked.set(index, { cost, state: "waiting" });
      this.#owed += cost;
    }
    return before ? 0n : cost;
  }

  /** That much is owed from earlier times. */
  owe(amount: bigint): void {
    this.#owed += amount;
  }

  /** An amount was paid. @returns what of it was not owed */
  pay(amount: bigint): bigint {
    const rest = amount > this.#owed ? amount - this.#owed : 0n;
    this.#owed -= amount - rest;
    return rest;
  }

  /** Chunk `index` arrived. `false` if it was not asked for on credit. */
  arrived(index: number): boolean {
    return this.#asked.delete(index);
  }

  /** Nobody waits for chunk `index` any more: it did not come, or is not wanted, which is no fault of the seller's. */
  end(index: number, state: "lost" | "unwanted"): void {
    const entry = this.#asked.get(index);
    if (entry) entry.state = state;
  }

  /** Chunk `index` was never bought. @returns what was paid for it */
  undo(index: number): bigint {
    const { cost = 0n } = this.#asked.get(index) ?? {};
    this.#asked.delete(index);
    return this.pay(cost);
  }

  /** Takes over what is owed by another quote's book. */
  takeOver(earlier: CreditBook): void {
    this.#owed += earlier.#owed;
    earlier.#owed = 0n;
  }
}

/** What a meter asked for and paid. */
export class MeterAccount {
  #cost = 0n;
  #paid = 0n;

  /** Of everything that was asked for, each part once, and what was owed before, in base units. */
  get cost(): bigint {
    return this.#cost;
  }

  /** In base units. */
  get paid(): bigint {
    return this.#paid;
  }

  /** A part was asked for; it costs 0 if it was bought before. */
  ask(cost: bigint): void {
    this.#cost += cost;
  }

  pay(amount: bigint): void {
    this.#paid += amount;
  }

  /** What is to be paid for the seconds that were seen: each when it begins, and no more than what was fetched costs. */
  due(seen: number, price: bigint): bigint {
    const watched = price * BigInt(Math.ceil(seen));
    const target = watched < this.#cost ? watched : this.#cost;
    return target > this.#paid ? target - this.#paid : 0n;
  }
}
