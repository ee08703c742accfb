// What the tests of hubs share: a network of sellers, hubs and buyers without wires, which remembers every byte.

import { randomBytes } from "node:crypto";

import { Wallet } from "../dist/index.js";
import { Hub, Seller } from "../dist/server.js";
import { CHUNK, PRICE, address, fakeChain, sleep } from "./seller-harness.mjs";

export const LEDGER = 1_000_000n;
export const FEE = 70n;

const POLICY = { minChallengeDuration: 60, minConfirmations: 1 };

export class Network {
  chain = fakeChain(address(1));
  /** Everything that was asked and answered, in order: who, whom, method, URL, bodies. */
  traffic = [];
  #servers = new Map();
  #t;

  constructor(t) {
    this.#t = t;
  }

  /** Puts something that answers at an origin; gets what was there. */
  replace(origin, make) {
    this.#servers.set(origin, make(this.#servers.get(origin)));
  }

  /** Puts something that answers at an origin. */
  serve(origin, handle) {
    this.#servers.set(origin, handle);
  }

  /** The `fetch` of somebody. */
  fetchOf(name) {
    return async (input, init) => {
      const request = new Request(input, init);
      const { origin } = new URL(request.url);
      const sent = new Uint8Array(await request.clone().arrayBuffer());
      const entry = { from: name, to: origin, method: request.method, url: request.url, sent, headers: init?.headers };
      this.traffic.push(entry);
      // Nobody is told synchronously.
      await sleep(0);
      const handle = this.#servers.get(origin);
      if (!handle) throw new TypeError("fetch failed");
      const response = await handle(request);
      entry.status = response.status;
      if (response.headers.get("content-type") === "application/octet-stream")
        entry.received = new Uint8Array(await response.clone().arrayBuffer());
      return response;
    };
  }

  async hub(name, options = {}) {
    const origin = `http://${name}.test`;
    const hub = await Hub.open({
      chain: this.chain,
      challengeDuration: 60,
      confirmations: 1,
      pollInterval: 5,
      fee: FEE,
      policy: POLICY,
      fetch: this.fetchOf(name),
      ...options,
    });
    this.serve(origin, (request) => hub.handle(request));
    this.#t.after(() => hub.stop());
    return Object.assign(hub, { origin });
  }

  async seller(name, { hubs = [], chunks = 5, price = PRICE, bytes, ...options } = {}) {
    const origin = `http://${name}.test`;
    const seller = await Seller.open({
      chain: this.chain,
      challengeDuration: 60,
      confirmations: 1,
      pollInterval: 5,
      policy: POLICY,
      fetch: this.fetchOf(name),
      hubs: hubs.map((hub) => hub.origin),
      ...options,
    });
    const content = bytes ?? new Uint8Array(randomBytes(chunks * CHUNK));
    const listing = await seller.add("/content", { bytes: content }, { price, chunkSize: CHUNK });
    this.serve(origin, (request) => seller.handle(request));
    this.#t.after(() => seller.stop());
    return Object.assign(seller, { origin, url: `${origin}/content`, content, listing });
  }

  async buyer(name = "buyer", options = {}) {
    const buyer = await Wallet.open({
      chain: this.chain,
      pollInterval: 10,
      policy: POLICY,
      fetch: this.fetchOf(name),
      ...options,
    });
    this.#t.after(() => buyer.stop());
    return buyer;
  }
}

/** A buyer, hubs in a row, and a seller, with an open ledger between each two. */
export async function openRow(
  t,
  { hubs: count = 1, seller: sellerOptions, hub: hubOptions, buyer: buyerOptions, ledger = LEDGER, last = ledger } = {},
) {
  const network = new Network(t);
  const hubs = [];
  for (let index = 0; index < count; index++) hubs.push(await network.hub(`hub${index}`, hubOptions));
  const seller = await network.seller("seller", { hubs: hubs.slice(-1), ...sellerOptions });
  const buyer = await network.buyer("buyer", buyerOptions);
  const ledgers = [await buyer.openChannel({ seller: hubs[0].origin, kind: "ledger", deposit: ledger })];
  for (const [index, hub] of hubs.entries())
    ledgers.push(
      await hub.link(hubs[index + 1]?.origin ?? seller.origin, { deposit: index === count - 1 ? last : ledger }),
    );
  return { network, hubs, hub: hubs[0], seller, buyer, ledgers };
}

/** Waits until `condition()` is truthy, and returns what it is. */
export async function until(condition, what, ms = 5_000) {
  for (const end = Date.now() + ms; ;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`still not: ${what}`);
    await sleep(2);
  }
}
