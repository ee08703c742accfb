// The share of one core that payment work takes at 80 payments a second: a chunk of 256 KiB every 12.5 ms, 20 MB a second.
//
// What is measured is processor time of the whole process, kernel and threads included, with payments less that without, in
// turns. Timing the calls would leave out what they make others do (collecting garbage, writing to the disk); the difference
// over whole downloads drowns in the noise of hashing and the network, which take many times as much.
//
// Buyer: `channel.pay`, and the header of the request. Seller: the whole answer to a paid request for a chunk of one byte less
// the same answer unpaid, with its records in memory; and with them on the disk, where payment and purchase are one flush.
//
// Each one right after the other, as on a busy seller; and `_paced`: at 80 a second in a process that does nothing else, where
// every call finds its code and data gone from the caches and the processor asleep.

import { startDevChain } from "@millstream/contracts/dev-chain";

import { DURATIONS } from "./harness.mjs";
import { startChild } from "./market/child.mjs";
import { median } from "./stats.mjs";

const PER_SECOND = 80;
const NORMAL = { perSecond: PER_SECOND, seconds: 1, batch: 1_000, pairs: 7 };
const QUICK = { perSecond: PER_SECOND, seconds: 0.5, batch: 500, pairs: 3 };

const PARTS = [
  ["payer", "payer_core_share_80", "buyer"],
  ["seller", "seller_core_share_80", "seller, records in memory"],
  ["seller_disk", "seller_core_share_80_disk", "seller, records on the disk"],
];

export async function run(duration) {
  const pace = duration === DURATIONS.quick ? QUICK : NORMAL;
  const chain = await startDevChain();
  const found = {};
  try {
    const { chainId, accounts, url: chainUrl } = chain;
    const { adjudicator, streamApp, consensusApp } = chain.addresses;
    const contracts = { chainId, adjudicator, streamApp, consensusApp };
    for (const disk of [false, true]) {
      const child = startChild("work.mjs");
      try {
        await child.ask("start", { chainUrl, contracts, accounts, disk });
        // The seller takes what the buyer pays.
        found.payer = await child.ask("payer", pace);
        found[disk ? "seller_disk" : "seller"] = await child.ask("seller", pace);
        await child.ask("stop");
      } finally {
        await child.stop();
      }
    }
  } finally {
    await chain.stop();
  }
  const figures = {};
  const rows = PARTS.map(([name, key, what]) => {
    const [busy, paced] = [median(found[name].busy), median(found[name].paced)];
    const share = (us) => (us * PER_SECOND) / 1e6;
    figures[`stream.${key}`] = Number(share(busy).toFixed(5));
    figures[`stream.${key}_paced`] = Number(share(paced).toFixed(5));
    const percent = (us) => `${(100 * share(us)).toFixed(2)} %`;
    return [what, busy.toFixed(1), percent(busy), paced.toFixed(1), percent(paced)];
  });
  const heading = [`payment work at ${PER_SECOND} payments a second`, "µs", "of one core", "µs, paced", "of one core"];
  return { title: "payment work", tables: [[heading, ...rows]], figures };
}
