// Everything that a sale takes: a development chain, a seller and its file, and a hub and links if they are wanted.

import { randomFillSync } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startDevChain } from "@millstream/contracts/dev-chain";

import { startChild } from "./child.mjs";

const PRICE = 1_000n;
const FEE = 100n;
const PIECE = 1 << 20;
const CHUNK_SIZE = 256 * 1024;

/** The link of the seeds' case. */
export const LINK = { bytesPerSecond: 20e6, roundTripMs: 40 };

/** Writes `mib` MiB that no other place of the file has. */
async function writeRandom(path, mib) {
  const file = await open(path, "w");
  try {
    const bytes = Buffer.alloc(PIECE);
    for (let at = 0; at < mib; at += 1) await file.write(randomFillSync(bytes));
  } finally {
    await file.close();
  }
}

/**
 * Opens a market for a file of `mib` MiB of noise.
 *
 * @param {{ mib: number, chunkSize?: number, execArgv?: string[], hub?: boolean }} options
 */
export async function openMarket({ mib, chunkSize = CHUNK_SIZE, execArgv, hub: hasHub = false }) {
  const stops = [];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), "millstream-bench-"));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const content = join(folder, "film");
    await writeRandom(content, mib);
    const chain = await startDevChain();
    stops.push(chain.stop);
    const [, account, sellerAccount, hubAccount] = chain.accounts;
    const { adjudicator, streamApp, consensusApp } = chain.addresses;
    const contracts = { chainId: chain.chainId, adjudicator, streamApp, consensusApp };
    const seller = startChild("seller.mjs", execArgv);
    stops.push(seller.stop);
    const place = { chainUrl: chain.url, contracts };
    const hub = hasHub ? startChild("hub.mjs") : undefined;
    if (hub) stops.push(hub.stop);
    const hubPort = await hub?.ask("start", { ...place, account: hubAccount, folder, fee: FEE });
    const hubs = hub && [`http://127.0.0.1:${hubPort}`];
    const sale = { account: sellerAccount, folder, content, price: PRICE, chunkSize, hubs };
    const { port, length } = await seller.ask("start", { ...place, ...sale });
    let listed = 0;
    return {
      length,
      chunkSize,
      chunks: Math.ceil(length / chunkSize),
      content,
      url: `http://127.0.0.1:${port}`,
      /** What a buyer has to know, at one end of a link or at the seller's own. */
      terms: (url) => ({ ...place, account, url: `${url}/film-0`, deposit: 10n ** 18n }),
      /** Lists the file once more; runs `use` with the path. */
      async listed(use) {
        const path = `/film-${(listed += 1)}`;
        await seller.ask("list", path, PRICE + BigInt(listed));
        await seller.ask("requests");
        try {
          return await use(path);
        } finally {
          await seller.ask("unlist", path);
        }
      },
      /** How many requests the seller got since the file was listed. */
      requests: () => seller.ask("requests"),
      /** Opens a link to the seller, or to what has another port. @returns {Promise<string>} the URL of its other end */
      async openLink(options = LINK) {
        const link = startChild("link.mjs");
        stops.push(link.stop);
        return `http://127.0.0.1:${await link.ask("open", { port, ...options })}`;
      },
      /** Where the hub is. */
      hubPort,
      /** Has the hub open a ledger with the seller, who is at `url` for it. */
      openLedgerOfHub: (url, deposit) => hub.ask("link", url, deposit),
      /** What a buyer has to know to open a ledger with the hub. */
      hubTerms: (hubUrl, deposit) => ({ ...place, account, hubUrl, deposit }),
      /** Starts a buyer in a process of its own. */
      startBuyer() {
        const buyer = startChild("buyer.mjs", execArgv);
        stops.push(buyer.stop);
        return buyer;
      },
      /** What to do at the end. */
      atEnd: (end) => stops.push(end),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
