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

  /** In seconds of the film. */
  get played(): number {
    return this.#played;
  }

  /** The film is here, and was playing since the last call, unless {@link stand} came in between. */
  run(now: MediaTime): void {
    const last = this.#last;
    this.#last = now;
    if (!last) return;
    const moved = now.media - last.media;
    const possible = Math.max(0, now.wall - last.wall) * Math.max(0, last.rate, now.rate) + SLACK;
    if (moved > 0) this.#played += Math.min(moved, possible);
  }

  /** It does not play, or jumps: whatever its position does until the next {@link run} was not played. */
  stand(): void {
    this.#last = undefined;
  }
}

/** How payment is asked for. */
export interface MeterTerms {
  /** Of a second, in base units. */
  readonly price: bigint;
  /** How far payment may lag behind what was fetched, in base units. */
  readonly credit: bigint;
}

/**
 * What has to be paid before a part is asked for, so that payment lags behind by the credit at most: whole prices, and
 * never more than what everything costs.
 *
 * @param balance what is paid less the cost of everything that was asked for before
 */
export function dueBefore(balance: bigint, cost: bigint, { price, credit }: MeterTerms): bigint {
  const missing = cost - balance - credit;
  return missing <= 0n ? 0n : ((missing + price - 1n) / price) * price;
}

/** What a meter fetched and paid. */
export class MeterAccount {
  readonly #price: bigint;
  #cost = 0n;
  #paid = 0n;

  constructor(price: bigint) {
    this.#price = price;
  }

  /** Of everything that was asked for, each part once, in base units. */
  get cost(): bigint {
    return this.#cost;
  }

  /** In base units. */
  get paid(): bigint {
    return this.#paid;
  }

  /** What was fetched and is not paid, in base units. */
  get owed(): bigint {
    return this.#cost > this.#paid ? this.#cost - this.#paid : 0n;
  }

  /** A part of this cost was asked for; 0 if it was bought before. */
  asked(cost: bigint): void {
    this.#cost += cost;
  }

  pay(amount: bigint): void {
    this.#paid += amount;
  }

  /** What is to be paid now for `played` seconds: each when it begins, and no more than what was fetched costs. */
  due(played: number): bigint {
    const watched = this.#price * BigInt(Math.ceil(played));
    const target = watched < this.#cost ? watched : this.#cost;
    return target > this.#paid ? target - this.#paid : 0n;
  }
}
