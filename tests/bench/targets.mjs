// What the figures are held against. A missed target is said and does not fail the run: the machine may be the reason,
// though the ratios are of peers measured in the same rounds.

const TO_LIBSECP = 0.65;
const SIGN_TIMES = 5;
const VERIFY_TIMES = 15;
const PAGE_GZIP_BYTES = 100_000;
const TICKS_PER_SECOND = 100_000;
const TICK_OVER_VOUCHER = 50;
const TICK_HEADER_BYTES = 120;
const VOUCHER_HEADER_BYTES = 400;
/** Of the rate of the same bytes unpaid and hashed alike. */
const SHARE_ON_LOOPBACK = 0.7;
const SHARE_ON_LINK = 0.98;
const REQUESTS_PER_CHUNK = 1.02;
const TO_X402 = 20;
const ROUND_TRIPS_THROUGH_HUB = 3;
const CORE_SHARE = 0.002;
const COST_BESIDE_OTHERS = 1.25;

/** The module's time as a multiple of the peer's. */
const share = (what, key, peer, most) => ({
  what: `${what}, time against ${peer}`,
  target: `at most ${most}x`,
  judge(operations) {
    const row = operations.get(key)?.get(peer);
    return row && { actual: `${(1 / row.ratio).toFixed(2)}x`, met: 1 / row.ratio <= most };
  },
});

/** A figure by its key, at least or at most so much. */
const figure = (what, key, limit, isMost = false) => ({
  what,
  target: `at ${isMost ? "most" : "least"} ${limit.toLocaleString("en-US")}`,
  judge(_operations, _sizes, figures) {
    const actual = figures[key];
    if (actual === undefined) return undefined;
    return { actual: actual.toLocaleString("en-US"), met: isMost ? actual <= limit : actual >= limit };
  },
});

/** How many times as fast as the peer the module is. */
const times = (what, key, peer, least) => ({
  what: `${what}, times as fast as ${peer}`,
  target: `at least ${least}x`,
  judge(operations) {
    const row = operations.get(key)?.get(peer);
    return row && { actual: `${row.ratio.toFixed(1)}x`, met: row.ratio >= least };
  },
});

const TARGETS = [
  share("sign a digest", "sign", "tiny-secp256k1", TO_LIBSECP),
  share("verify a digest", "verify", "tiny-secp256k1", TO_LIBSECP),
  share("sign a voucher", "voucher.sign", "tiny-secp256k1", TO_LIBSECP),
  share("verify a voucher", "voucher.verify", "tiny-secp256k1", TO_LIBSECP),
  ...["viem", "ethers"].flatMap((peer) => [
    times("sign a voucher", "voucher.sign", peer, SIGN_TIMES),
    times("verify a voucher", "voucher.verify", peer, VERIFY_TIMES),
  ]),
  figure("ticks accepted per second in WebAssembly", "stream.ticks_per_second.wasm", TICKS_PER_SECOND),
  figure("a tick against a voucher in WebAssembly, times as many", "stream.tick_over_voucher.wasm", TICK_OVER_VOUCHER),
  figure("bytes of the header with a tick", "stream.header_bytes.tick", TICK_HEADER_BYTES, true),
  figure("bytes of the header with a voucher", "stream.header_bytes.voucher", VOUCHER_HEADER_BYTES, true),
  ...["node", "chromium"].flatMap((host) => [
    figure(`paid over unpaid on loopback, ${host}`, `stream.download_ratio.loopback.${host}`, SHARE_ON_LOOPBACK),
    figure(`paid over unpaid on 20 MB/s, 40 ms, ${host}`, `stream.download_ratio.link20.${host}`, SHARE_ON_LINK),
  ]),
  figure("requests for a paid chunk", "stream.requests_per_chunk", REQUESTS_PER_CHUNK, true),
  figure("paid chunks per second against x402, times as many", "stream.chunks_per_second.ratio", TO_X402),
  figure(
    "round trips to the first byte paid through a hub",
    "virtual.round_trips_to_first_byte",
    ROUND_TRIPS_THROUGH_HUB,
    true,
  ),
  figure("share of a core at 80 payments/s, buyer", "stream.payer_core_share_80", CORE_SHARE, true),
  figure("share of a core at 80 payments/s, seller", "stream.seller_core_share_80", CORE_SHARE, true),
  figure("opening beside 10,000 others in a hub, times the time", "virtual.cost_ratio_10k", COST_BESIDE_OTHERS, true),
  {
    what: "wasm and JS of a buyer's page, gzip",
    target: `at most ${PAGE_GZIP_BYTES / 1000} kB`,
    judge(_, sizes) {
      const total = sizes.get("total");
      // the module alone can already be too much, and never enough to say that the target is met
      const known = total ?? sizes.get("wasm");
      if (!known || (!total && known.gzip <= PAGE_GZIP_BYTES)) return undefined;
      const actual = `${(known.gzip / 1000).toFixed(1)} kB${total ? "" : ", wasm alone"}`;
      return { actual, met: known.gzip <= PAGE_GZIP_BYTES };
    },
  },
];

/**
 * Holds figures against the targets that they concern; targets of suites that did not run are left out.
 *
 * @param {Map<string, Map<string, { ratio: number }>>} operations rows by operation and peer
 * @param {Map<string, { gzip: number }>} sizes by name
 * @param {Record<string, number>} figures the others, by key
 * @returns {{ what: string, target: string, actual: string, met: boolean }[]}
 */
export const judge = (operations, sizes, figures) =>
  TARGETS.flatMap(({ what, target, judge }) => {
    const verdict = judge(operations, sizes, figures);
    return verdict ? [{ what, target, ...verdict }] : [];
  });
