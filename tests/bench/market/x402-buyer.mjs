// A buyer with the stock x402 packages, in a process of its own: `fetch` wrapped with payment by `batch-settlement`.
//
// One request after the other: the server takes a voucher only on top of the one before, so requests of a channel that
// overlap are refused. The chunks are not hashed.

import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { wrapFetchWithPaymentFromConfig } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";

import { answerParent } from "./child.mjs";

let pay;

answerParent({
  open({ network }) {
    const account = privateKeyToAccount(`0x${"b1".repeat(32)}`);
    const client = new BatchSettlementEvmScheme(account);
    // It would refuse a token that it does not know.
    pay = wrapFetchWithPaymentFromConfig(fetch, { schemes: [{ network, client }], spendControls: false });
  },
  /** Buys `count` chunks from `first` on. */
  async buy(url, first, count) {
    const start = performance.now();
    let bytes = 0;
    for (let index = first; index < first + count; index += 1) {
      const response = await pay(`${url}/chunk/${index}`);
      if (response.status !== 200 || !response.headers.has("payment-response"))
        throw new Error(`chunk ${index}: status ${response.status}: ${response.headers.get("payment-required")}`);
      bytes += (await response.arrayBuffer()).byteLength;
    }
    return { ms: performance.now() - start, chunks: count, bytes };
  },
});
