// The buyer of a benchmark, in a process of its own.

import * as millstream from "millstream";

import { answerParent } from "./child.mjs";
import { HubBuyer } from "./first-byte.mjs";
import { buy, fetchPlain, hashesOf, openBuyer } from "./trade.mjs";

let buyer;
let hashes;
const hubBuyer = new HubBuyer();

answerParent({
  async open(terms) {
    buyer = await openBuyer(millstream, terms);
    hashes = await hashesOf(terms.url);
  },
  openLedger: (terms) => hubBuyer.open(millstream, terms),
  fetchThroughHub: (url) => hubBuyer.fetch(url),
  buy: (url, options) => buy(buyer, url, options),
  fetchPlain: (url, file) => fetchPlain(url, { ...file, hashes }),
});
