// Work that is done ahead of who waits for it: several pieces at once, handed over in the order in which they were begun.

/** How far ahead. */
export interface ReadAheadOptions {
  /** How many pieces are worked on at once. */
  readonly parallel: number;
  /** How many more may be begun or done and not taken. */
  readonly waiting: number;
  /** Whether an error ends the other pieces as well. */
  readonly isFatal: (error: unknown) => boolean;
}

/** What ends a piece of work. Each has its own, since many listeners on one signal look like a leak. */
export interface Ends {
  /** Aborted when everything ends. */
  readonly signal: AbortSignal;
  /** Aborted when nothing new is to be begun. */
  readonly halted: AbortSignal;
}

interface Controllers {
  readonly ended: AbortController;
  readonly halted: AbortController;
}

/**
 * A queue of pieces of work.
 *
 * With the first error nothing new is begun. If it is fatal everything else is aborted; otherwise what is under way is
 * finished. What was done before the piece that failed can still be taken, in order; then comes the error.
 */
export class ReadAhead<T> {
  readonly #parallel: number;
  readonly #waiting: number;
  readonly #isFatal: (error: unknown) => boolean;
  readonly #pieces: Promise<T>[] = [];
  readonly #own: Controllers = { ended: new AbortController(), halted: new AbortController() };
  readonly #controllers = new Set<Controllers>([this.#own]);
  /** Those of pieces that are done, for others: none of them was aborted. */
  readonly #free: Controllers[] = [];
  /** Those that wait for others to be done. */
  readonly #idle: (() => void)[] = [];
  #working = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor({ parallel, waiting, isFatal }: ReadAheadOptions) {
    this.#parallel = parallel;
    this.#waiting = waiting;
    this.#isFatal = isFatal;
  }

  /** What ends the work between the pieces. */
  get ends(): Ends {
    return endsOf(this.#own);
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Whether one more piece may be begun. */
  get hasRoom(): boolean {
    return this.#failure === undefined && this.#pieces.length < this.#parallel + this.#waiting;
  }

  /** Begins a piece as soon as there are not too many under way. */
  push(work: (ends: Ends) => Promise<T>): void {
    const piece = this.#run(work);
    // Whoever takes it is told; nobody may.
    piece.catch(() => {});
    this.#pieces.push(piece);
  }

  /** The oldest piece. @throws the first error of any, once what was done before it is taken */
  async shift(): Promise<T> {
    try {
      // It stays counted while it is waited for.
      const [piece] = this.#pieces;
      if (!piece) throw new Error("nothing was begun");
      const value = await piece;
      this.#pieces.shift();
      return value;
    } catch (error) {
      throw this.#failure ? this.#failure.error : error;
    }
  }

  /** Nothing more is wanted. @throws the first error of any, if there was one */
  end(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Ends everything, with `error` for who still waits. */
  stop(error?: unknown): void {
    this.#failure ??= { error };
    this.#abort(true);
    for (const wake of this.#idle.splice(0)) wake();
  }

  async #run(work: (ends: Ends) => Promise<T>): Promise<T> {
    if (this.#working >= this.#parallel) await new Promise<void>((resolve) => this.#idle.push(resolve));
    else this.#working += 1;
    // Who was woken takes the place of who was done.
    const controllers = this.#free.pop() ?? { ended: new AbortController(), halted: new AbortController() };
    this.#controllers.add(controllers);
    try {
      if (this.#failure) throw this.#failure.error;
      return await work(endsOf(controllers));
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      this.#controllers.delete(controllers);
      if (!controllers.halted.signal.aborted) this.#free.push(controllers);
      const next = this.#idle.shift();
      if (next) next();
      else this.#working -= 1;
    }
  }

  #failed(error: unknown): void {
    this.#failure ??= { error };
    this.#abort(this.#isFatal(this.#failure.error));
  }

  #abort(everything: boolean): void {
    for (const { ended, halted } of this.#controllers) {
      halted.abort();
      if (everything) ended.abort();
    }
  }
}

function endsOf({ ended, halted }: Controllers): Ends {
  return { signal: ended.signal, halted: halted.signal };
}
