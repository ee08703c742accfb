// What is computed from measured numbers. Pure functions, so that a figure can be computed again from its samples.

/**
 * The value below which the share `q` of the samples lies, interpolated between neighbours.
 *
 * @param {readonly number[]} samples in any order, at least one
 * @param {number} q 0 to 1
 */
export function quantile(samples, q) {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = [...samples].sort((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const below = sorted[Math.floor(place)];
  return below + (sorted[Math.ceil(place)] - below) * (place - Math.floor(place));
}

export const median = (samples) => quantile(samples, 0.5);

/** Half the interquartile range as a share of the median: 0.05 says that half of the samples lie within about 5 %. */
export const spread = (samples) => (quantile(samples, 0.75) - quantile(samples, 0.25)) / 2 / median(samples);

/**
 * How many times the baseline's time a peer takes: the median over the rounds of the ratio within a round. The two are
 * measured next to each other in every round, so what slows the machine down for a while cancels out.
 *
 * @param {readonly number[]} samples of the peer, one per round
 * @param {readonly number[]} baseline as many, of the same rounds
 */
export function pairedRatio(samples, baseline) {
  if (samples.length !== baseline.length) throw new RangeError("the rounds of the two differ");
  return median(samples.map((sample, round) => sample / baseline[round]));
}

/** How many calls make up a batch of `batchMs`, if one takes `callUs`; at least one. */
export const batchSize = (callUs, batchMs) => Math.max(1, Math.round((batchMs * 1000) / callUs));
