// The buyer of a benchmark in a page: the package as it is built, served as it is, with its records in IndexedDB.

import * as millstream from "/dist/index.js";

import { indexedDbStore } from "./indexeddb.mjs";
import { buy, fetchPlain, hashesOf, openBuyer } from "./trade.mjs";

let buyer;
let hashes;

/** As the functions of buyer.mjs. Numbers above 2^53 travel as text. */
globalThis.buyer = {
  async open(terms) {
    const store = await indexedDbStore("millstream");
    buyer = await openBuyer(millstream, { ...terms, deposit: BigInt(terms.deposit) }, store);
    hashes = await hashesOf(terms.url);
  },
  async buy(url, options) {
    const { paid, ...rest } = await buy(buyer, url, options);
    return { ...rest, paid: String(paid) };
  },
  fetchPlain: (url, file) => fetchPlain(url, { ...file, hashes }),
};
