// Measures several ways to do the same thing next to each other.

import { batchSize, median, pairedRatio, spread } from "./stats.mjs";

/** Fewer rounds than this say nothing about the spread. */
const MIN_ROUNDS = 5;
const WARM_UP_SHARE = 0.25;

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} [key] what it does, if that is more than the others do
 * @property {(input: any) => unknown} run one operation; awaited if it returns a promise
 * @property {(count: number) => any[]} [prepare] makes the inputs of a batch, untimed; otherwise they are 0, 1, 2 ...
 */

/**
 * How long the measurement of one operation may take, all peers together, and a batch of one peer, in milliseconds.
 *
 * @typedef {{ operationMs: number, batchMs: number }} Duration
 */

/** @type {Record<"normal" | "quick", Duration>} */
export const DURATIONS = {
  normal: { operationMs: 7_500, batchMs: 25 },
  quick: { operationMs: 1_300, batchMs: 8 },
};

/** The last result: kept, so that no engine may leave out a call because nobody looks at what it returns. */
export const sink = { last: undefined };

/** One peer while it is measured. */
class Contestant {
  samples = [];
  #count = 1;
  #done = 0;

  constructor(peer) {
    this.peer = peer;
  }

  /** Times a batch: microseconds per operation. */
  async #batch() {
    const { run, prepare } = this.peer;
    const count = this.#count;
    const inputs = prepare ? prepare(count) : Array.from({ length: count }, (_, i) => this.#done + i);
    this.#done += count;
    const start = performance.now();
    for (const input of inputs) {
      const result = run(input);
      sink.last = result instanceof Promise ? await result : result;
    }
    return ((performance.now() - start) * 1000) / count;
  }

  /** Runs until the engine has optimised what runs, and settles how many operations make a batch. */
  async warmUp(warmUpMs, batchMs) {
    const end = performance.now() + warmUpMs;
    do {
      const us = Math.max(await this.#batch(), 0.001);
      this.#count = Math.min(2 * this.#count, batchSize(us, batchMs));
    } while (performance.now() < end);
  }

  async round() {
    this.samples.push(await this.#batch());
  }
}

/**
 * Measures peers in turns, A B C A B C, until the time is used up, each warmed up alone before.
 *
 * @param {string} key what is measured, "sign"
 * @param {Peer[]} peers the first is the baseline
 * @param {Duration} duration
 * @returns {Promise<{ key: string, rows: { name: string, key: string, us: number, spread: number, perSecond: number, ratio: number }[] }>}
 *   `us` is the median time of an operation in microseconds, `ratio` how many times the baseline's time it is
 */
export async function measure(key, peers, { operationMs, batchMs }) {
  const contestants = peers.map((peer) => new Contestant(peer));
  for (const contestant of contestants)
    await contestant.warmUp((operationMs * WARM_UP_SHARE) / contestants.length, batchMs);
  const end = performance.now() + operationMs * (1 - WARM_UP_SHARE);
  for (let round = 0; round < MIN_ROUNDS || performance.now() < end; round += 1)
    for (const contestant of contestants) await contestant.round();
  const baseline = contestants[0].samples;
  const rows = contestants.map(({ peer, samples }) => {
    const us = median(samples);
    const ratio = pairedRatio(samples, baseline);
    return { name: peer.name, key: peer.key ?? key, us, spread: spread(samples), perSecond: 1e6 / us, ratio };
  });
  return { key, rows };
}

/**
 * Stops a run whose peers do not agree: the time of a wrong result is no figure.
 *
 * @param {string} what
 * @param {Record<string, unknown>} results by peer, compared as they are
 */
export function agree(what, results) {
  const [[first, expected], ...others] = Object.entries(results);
  for (const [name, actual] of others)
    if (actual !== expected)
      throw new Error(`${what}: ${name} says ${String(actual)}, ${first} says ${String(expected)}`);
}
