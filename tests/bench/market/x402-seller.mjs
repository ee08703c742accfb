// A seller with the stock x402 packages, in a process of its own: Express, the payment middleware and the `batch-settlement`
// scheme, with its channels in memory, as its documentation shows.
//
// The packages ship no contracts, so none are deployed: a facilitator in this process says of every deposit that it was made,
// at once. It is asked for nothing else: the stock server checks vouchers by itself.

import { once } from "node:events";
import { open } from "node:fs/promises";
import { createServer } from "node:http";

import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import express from "express";
import { privateKeyToAccount } from "viem/accounts";

import { answerParent } from "./child.mjs";

const X402_VERSION = 2;
const SCHEME = "batch-settlement";
/** Signs claims, of which there are none here. */
const AUTHORIZER = privateKeyToAccount(`0x${"a2".repeat(32)}`);

let requests = 0;
const facilitated = { verify: 0, settle: 0 };

/** A facilitator that believes every deposit. */
function facilitator(network) {
  const state = ({ channelConfig, deposit, voucher }) => ({
    payer: channelConfig.payer,
    extra: {
      channelId: voucher.channelId,
      balance: deposit.amount,
      totalClaimed: "0",
      withdrawRequestedAt: 0,
      refundNonce: "0",
    },
  });
  const deposited = ({ payload }) => {
    if (payload.type !== "deposit") throw new Error(`the facilitator is asked about a ${payload.type}`);
    return state(payload);
  };
  return {
    async getSupported() {
      const kinds = [{ x402Version: X402_VERSION, scheme: SCHEME, network }];
      return { kinds, extensions: [], signers: { "eip155:*": [AUTHORIZER.address] } };
    },
    async verify(payment) {
      facilitated.verify += 1;
      return { isValid: true, ...deposited(payment) };
    },
    async settle(payment) {
      facilitated.settle += 1;
      const { payer, extra } = deposited(payment);
      return { success: true, payer, transaction: `0x${"00".repeat(32)}`, network, extra: { channelState: extra } };
    },
  };
}

async function start({ content, chunkSize, network, asset, payTo, amount, deposit }) {
  const file = await open(content, "r");
  const scheme = new BatchSettlementEvmScheme(payTo, { receiverAuthorizerSigner: AUTHORIZER });
  const server = new x402ResourceServer(facilitator(network)).register(network, scheme);
  // One deposit for all that is bought: each further one would take a transaction.
  const price = { amount, asset, extra: { name: "Dollar", version: "1", minDeposit: deposit } };
  const app = express();
  app.use((request, _response, next) => {
    requests += 1;
    next();
  });
  app.use(paymentMiddleware({ "GET /chunk/*": { accepts: { scheme: SCHEME, price, network, payTo } } }, server));
  app.get("/chunk/:index", async (request, response) => {
    const bytes = Buffer.allocUnsafe(chunkSize);
    const { bytesRead } = await file.read(bytes, 0, chunkSize, Number(request.params.index) * chunkSize);
    response.type("application/octet-stream").send(bytes.subarray(0, bytesRead));
  });
  const http = createServer(app).listen(0, "127.0.0.1");
  await once(http, "listening");
  return http.address().port;
}

answerParent({
  start,
  /** How many requests it got, and how often the facilitator was asked. */
  counts: () => ({ requests, ...facilitated }),
});
