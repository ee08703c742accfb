// Paid chunks per second, end to end, against the stock x402 packages with payment channels: `@x402/fetch` as the buyer, Express
// with `@x402/express` as the seller, the scheme `batch-settlement` of `@x402/evm`.
//
// Both sell the same file in chunks of 64 KiB over the loopback interface, buyer and seller in processes of their own, in turns.
// What is left out is left out in favour of x402. Its packages ship no contract, so its deposit is believed by a facilitator in
// the seller's process and takes no transaction, while ours is on a chain; its channels are in memory, while our seller flushes
// every payment and purchase to the disk; its chunks are not hashed, while ours are, on both sides; and there is no claim.
// It buys one chunk after the other, because its server takes one payment of a channel at a time.

import { DURATIONS } from "./harness.mjs";
import { startChild } from "./market/child.mjs";
import { openMarket } from "./market/market.mjs";
import { median, pairedRatio } from "./stats.mjs";

const CHUNK_SIZE = 64 * 1024;
const NORMAL = { mib: 32, rounds: 7, theirs: 200 };
const QUICK = { mib: 16, rounds: 3, theirs: 60 };

/** Amounts of a token of no chain: enough of it is deposited for everything. */
const TERMS = {
  network: "eip155:31337",
  asset: `0x${"cd".repeat(20)}`,
  payTo: `0x${"ef".repeat(20)}`,
  amount: "1000",
  deposit: "1000000000",
};

const perSecond = ({ chunks, ms }) => (1000 * chunks) / ms;

export async function run(duration) {
  const { mib, rounds, theirs } = duration === DURATIONS.quick ? QUICK : NORMAL;
  const market = await openMarket({ mib, chunkSize: CHUNK_SIZE });
  try {
    const [seller, buyer] = ["x402-seller.mjs", "x402-buyer.mjs"].map((name) => {
      const child = startChild(name);
      market.atEnd(child.stop);
      return child;
    });
    const port = await seller.ask("start", { content: market.content, chunkSize: CHUNK_SIZE, ...TERMS });
    await buyer.ask("open", TERMS);
    const ours = market.startBuyer();
    await ours.ask("open", market.terms(market.url));
    const buyTheirs = () => buyer.ask("buy", `http://127.0.0.1:${port}`, 0, theirs);
    const buyOurs = () => market.listed((path) => ours.ask("buy", market.url + path));
    // Warm, and the deposit made.
    await buyTheirs();
    await buyOurs();
    const before = await seller.ask("counts");
    const samples = { ours: [], x402: [] };
    for (let round = 0; round < rounds; round += 1) {
      samples.x402.push(perSecond(await buyTheirs()));
      samples.ours.push(perSecond(await buyOurs()));
    }
    const after = await seller.ask("counts");
    if (after.verify !== before.verify) throw new Error("x402 asked its facilitator while it was measured");
    const requests = (after.requests - before.requests) / (rounds * theirs);
    const figures = {
      "stream.chunks_per_second.ours": Math.round(median(samples.ours)),
      "stream.chunks_per_second.x402": Number(median(samples.x402).toFixed(1)),
      "stream.chunks_per_second.ratio": Number(pairedRatio(samples.ours, samples.x402).toFixed(2)),
      "stream.requests_per_chunk.x402": Number(requests.toFixed(3)),
    };
    const tables = [
      [
        ["chunks of 64 KiB, paid, end to end", "per second", "requests a chunk"],
        ["ours, default options, seller's store on the disk", String(figures["stream.chunks_per_second.ours"]), ""],
        [
          "x402 batch-settlement, no chain, channels in memory, nothing hashed",
          String(figures["stream.chunks_per_second.x402"]),
          requests.toFixed(2),
        ],
        ["ours against x402, times as many", figures["stream.chunks_per_second.ratio"].toFixed(1), ""],
      ],
    ];
    return { title: "against x402", tables, figures };
  } finally {
    await market.stop();
  }
}
