// A set of chunks as runs: small as long as they were bought in order, whatever their number.

/** Runs of chunks, in order, with gaps between them. */
export class ChunkRanges {
  /** First and last chunk of each run, inclusive. */
  readonly #runs: [number, number][] = [];

  /** @param bounds first and last chunk of each run, one after the other */
  constructor(bounds: readonly number[] = []) {
    for (let at = 0; at + 1 < bounds.length; at += 2) this.#runs.push([bounds[at] ?? 0, bounds[at + 1] ?? 0]);
  }

  /** How many runs there are. */
  get runs(): number {
    return this.#runs.length;
  }

  /** How many chunks are in them. */
  get size(): number {
    return this.#runs.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  /** First and last chunk of each run, one after the other. */
  get bounds(): number[] {
    return this.#runs.flat();
  }

  has(index: number): boolean {
    const run = this.#runs[this.#after(index) - 1];
    return run !== undefined && index <= run[1];
  }

  /** Whether adding `index` would begin a new run. */
  extends(index: number): boolean {
    const at = this.#after(index);
    const [before, after] = [this.#runs[at - 1], this.#runs[at]];
    return (before !== undefined && index <= before[1] + 1) || after?.[0] === index + 1;
  }

  add(index: number): void {
    if (this.has(index)) return;
    const at = this.#after(index);
    const [before, after] = [this.#runs[at - 1], this.#runs[at]];
    const joinsBefore = before?.[1] === index - 1;
    if (before && joinsBefore && after?.[0] === index + 1) {
      before[1] = after[1];
      this.#runs.splice(at, 1);
    } else if (before && joinsBefore) before[1] = index;
    else if (after?.[0] === index + 1) after[0] = index;
    else this.#runs.splice(at, 0, [index, index]);
  }

  delete(index: number): void {
    const at = this.#after(index) - 1;
    const run = this.#runs[at];
    if (!run || index > run[1]) return;
    const [first, last] = run;
    const rest: [number, number][] = [
      [first, index - 1],
      [index + 1, last],
    ];
    this.#runs.splice(at, 1, ...rest.filter(([from, to]) => from <= to));
  }

  /** Where the first run is that begins after `index`. */
  #after(index: number): number {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.[0] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Whether these are bounds of runs in order, with gaps between them, of chunks below `chunks`. */
export function areBounds(bounds: unknown, chunks = Number.MAX_SAFE_INTEGER): bounds is number[] {
  if (!Array.isArray(bounds) || bounds.length % 2 !== 0) return false;
  let least = 0;
  return bounds.every((bound: unknown, at) => {
    const fits = Number.isSafeInteger(bound) && (bound as number) >= least && (bound as number) < chunks;
    // A run may be one chunk long; between two there is at least one that is in neither.
    least = (bound as number) + (at % 2 === 0 ? 0 : 2);
    return fits;
  });
}
