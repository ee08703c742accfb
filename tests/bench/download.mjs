// A paid download against the same bytes unpaid and hashed alike, in Node and in Chromium, on the loopback interface and over a
// link; and how many requests it makes.
//
// Seller, buyer and link are processes of their own, the seller with a store on the disk. The unpaid file comes from the same
// server, read and checked and sent by what the seller uses for it, and is fetched with as many requests at once as a
// download makes by itself. Both are hashed by WebCrypto, and all of a download counts: its first requests, and its payments.

import { launchChromium } from "../../web-demo/browser.mjs";
import { findChromium } from "../../xtask/chromium.mjs";
import { DURATIONS } from "./harness.mjs";
import { LINK, openMarket } from "./market/market.mjs";
import { median, pairedRatio } from "./stats.mjs";

/** How often, and how much: on the link a round takes as long as the file does. */
const NORMAL = { mib: 128, loopback: 9, link: 3 };
const QUICK = { mib: 32, loopback: 3, link: 1 };
/** What `wallet.download` has by itself. */
const PARALLEL = 8;

const rate = ({ bytes, ms }) => bytes / 1e6 / (ms / 1000);

/** The buyer in a page, as one in a process is asked. */
async function startPage(market, url) {
  const browser = await launchChromium();
  market.atEnd(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${url}/page`);
  await page.addScriptTag({ url: "/market/page.mjs", type: "module" });
  await page.waitForFunction(() => "buyer" in globalThis);
  const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v)));
  return {
    ask: (what, ...args) => page.evaluate(([name, given]) => globalThis.buyer[name](...given), [what, plain(args)]),
  };
}

/** Downloads in turns, paid and unpaid, each time first in every other round. */
async function compare(market, buyer, base, rounds) {
  const file = { length: market.length, chunkSize: market.chunkSize, parallel: PARALLEL };
  const samples = { paid: [], plain: [], bare: [] };
  let requests;
  const takes = {
    paid: () =>
      market.listed(async (path) => {
        const result = await buyer.ask("buy", base + path);
        requests = await market.requests();
        if (result.chunks !== market.chunks || BigInt(result.paid) === 0n) throw new Error("not everything was bought");
        return result;
      }),
    plain: () => buyer.ask("fetchPlain", `${base}/plain`, file),
    bare: () => buyer.ask("fetchPlain", `${base}/bare`, file),
  };
  const names = Object.keys(takes);
  for (const name of names) await takes[name]();
  for (let round = 0; round < rounds; round += 1)
    for (const name of round % 2 ? names.toReversed() : names) samples[name].push(await takes[name]());
  const times = (name) => samples[name].map(({ ms }) => ms);
  return {
    ratio: pairedRatio(times("plain"), times("paid")),
    bareRatio: pairedRatio(times("bare"), times("paid")),
    rates: Object.fromEntries(names.map((name) => [name, median(samples[name].map(rate))])),
    requestsPerChunk: requests / market.chunks,
  };
}

/** What the link is, measured: the time of a small answer, and the rate of the whole file from its first byte on. */
async function measureLink(url, market) {
  const get = (last) => fetch(`${url}/bare`, { headers: { Range: `bytes=0-${last}` } });
  const trips = [];
  // The first one opens the connection.
  for (let i = 0; i < 11; i += 1) {
    const start = performance.now();
    await (await get(0)).arrayBuffer();
    trips.push(performance.now() - start);
  }
  let [first, bytes] = [undefined, 0];
  for await (const part of (await get(market.length - 1)).body) {
    if (first === undefined) first = performance.now();
    else bytes += part.length;
  }
  return { roundTripMs: median(trips.slice(1)), bytesPerSecond: (1000 * bytes) / (performance.now() - first) };
}

export async function run(duration) {
  const { mib, ...rounds } = duration === DURATIONS.quick ? QUICK : NORMAL;
  const figures = {};
  const rows = [];
  const notes = [];
  const market = await openMarket({ mib });
  try {
    const link = await market.openLink();
    const { bytesPerSecond, roundTripMs } = await measureLink(link, market);
    figures["stream.link20.bytes_per_second"] = Math.round(bytesPerSecond);
    figures["stream.link20.round_trip_ms"] = Number(roundTripMs.toFixed(1));
    const places = [
      ["loopback", market.url, rounds.loopback],
      ["link20", link, rounds.link],
    ];
    const hosts = { node: async () => market.startBuyer() };
    if (findChromium()) hosts.chromium = (url) => startPage(market, url);
    else notes.push(["stream.download_ratio.*.chromium: skipped, there is no Chromium", "", "", "", "", ""]);
    for (const [host, start] of Object.entries(hosts))
      for (const [place, url, times] of places) {
        const buyer = await start(url);
        await buyer.ask("open", market.terms(url));
        const { ratio, bareRatio, rates, requestsPerChunk } = await compare(market, buyer, url, times);
        const key = `${place}.${host}`;
        figures[`stream.download_ratio.${key}`] = Number(ratio.toFixed(4));
        figures[`stream.download_ratio_bare.${key}`] = Number(bareRatio.toFixed(4));
        figures[`stream.download_mb_per_second.${key}`] = Number(rates.paid.toFixed(1));
        if (key === "loopback.node") figures["stream.requests_per_chunk"] = Number(requestsPerChunk.toFixed(4));
        const mb = (name) => rates[name].toFixed(1);
        rows.push([
          `${place}, ${host}`,
          mb("paid"),
          mb("plain"),
          mb("bare"),
          ratio.toFixed(3),
          requestsPerChunk.toFixed(3),
        ]);
        await buyer.stop?.();
      }
    const shaped = `${(bytesPerSecond / 1e6).toFixed(2)} MB/s, ${roundTripMs.toFixed(1)} ms`;
    const asked = `${LINK.bytesPerSecond / 1e6} MB/s, ${LINK.roundTripMs} ms`;
    const tables = [
      [
        [
          `${mib} MiB in chunks of ${market.chunkSize / 1024} KiB`,
          "paid, MB/s",
          "unpaid, MB/s",
          "bare, MB/s",
          "paid over unpaid",
          "requests a chunk",
        ],
        ...rows,
        ...notes,
      ],
      [
        ["the link", "made", "measured"],
        ["rate of one connection, time of a small answer", asked, shaped],
      ],
    ];
    return { title: "paid downloads", tables, figures: Object.fromEntries(Object.entries(figures).sort()) };
  } finally {
    await market.stop();
  }
}
