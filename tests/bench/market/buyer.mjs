// The buyer of a benchmark, in a process of its own.

import * as millstream from "millstream";

import { answerParent } from "./child.mjs";
import { buy, fetchPlain, hashesOf, openBuyer } from "./trade.mjs";

let buyer;
let hashes;

answerParent({
  async open(terms) {
    buyer = await openBuyer(millstream, terms);
    hashes = await hashesOf(terms.url);
  },
  buy: (url, options) => buy(buyer, url, options),
  fetchPlain: (url, file) => fetchPlain(url, { ...file, hashes }),
});
