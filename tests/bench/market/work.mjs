// The payment work of a buyer and of a seller, each at so many payments a second, in a process of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Wallet, memoryStore, rpcChain } from "millstream";
import { fileStore } from "millstream/node";
import { Seller } from "millstream/server";

import { answer } from "../../../wasm/dist/seller-http.js";
import { answerParent } from "./child.mjs";

const ORIGIN = "http://seller.test";
const PRICE = 1_000n;
const TICKS = 255;
/** One byte each: what reading and hashing them takes is as little as can be, and the same with and without payment. */
const CHUNKS = 200_000;
/** How often each is done before anything is measured, so that the engine has compiled it. */
const WARM_UP = 3_000;

let [seller, buyer, channel, listing, folder] = [];
/** Payments that were made and not shown yet, as headers carry them. */
const headers = [];
let shown = 0;

async function start({ chainUrl, contracts, accounts, disk }) {
  folder = await mkdtemp(join(tmpdir(), "millstream-bench-"));
  const chain = (account) => rpcChain({ url: chainUrl, contracts, account, pollInterval: 50 });
  seller = await Seller.open({
    chain: chain(accounts[2]),
    store: disk ? fileStore(join(folder, "seller")) : memoryStore(),
    confirmations: 1,
    policy: { minConfirmations: 1 },
    pollInterval: 100,
  });
  listing = await seller.add("/film", { bytes: new Uint8Array(CHUNKS) }, { price: PRICE, chunkSize: 1 });
  const reach = (url, init) => seller.handle(new Request(url, init));
  buyer = await Wallet.open({ chain: chain(accounts[1]), policy: { minConfirmations: 1 }, fetch: reach });
  channel = await buyer.openChannel({ seller: `${ORIGIN}/film`, deposit: 10n ** 18n });
}

async function stop() {
  await buyer.stop();
  await seller.stop();
  await rm(folder, { recursive: true });
}

/** The buyer's part of a payment: paid, stored in memory, and written as a request's header. */
async function pay(memo) {
  const payment = await channel.pay(PRICE, { memo, ticks: TICKS });
  headers.push(Buffer.from(headers.length === 0 ? payment.claim : payment.bytes).toString("base64url"));
}

const request = (index, payment) =>
  new Request(`${ORIGIN}/film`, { headers: { Range: `bytes=${index}-${index}`, Payment: payment } });

/** The seller's answer to a paid request: payment, purchase and receipt, all stored. */
async function sell() {
  const index = shown;
  shown += 1;
  const response = await seller.handle(request(index, headers[index]));
  if (response.status !== 206) throw new Error(`chunk ${index}: ${response.status}: ${await response.text()}`);
}

/** The same answer without the payment. */
async function give() {
  const index = shown % CHUNKS;
  const asked = request(index, headers[0]);
  const [, at] = /^bytes=(\d+)-/.exec(asked.headers.get("range"));
  const chunk = await listing.open(Number(at));
  answer(206, chunk.body(0, 1), {
    "content-type": listing.contentType,
    "content-length": "1",
    "content-range": `bytes ${at}-${at}/${listing.length}`,
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
  });
}

/** Processor time of this process for `count` times `work`, all threads and the kernel, in microseconds for each. */
async function cost(work, count, pace = () => undefined) {
  const before = process.cpuUsage();
  for (let turn = 0; turn < count; turn += 1) {
    const wait = pace(turn);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    await work();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** The same with pauses, so that it happens so often a second. */
function paced(work, { perSecond, seconds }) {
  const start = performance.now();
  return cost(work, perSecond * seconds, (turn) => start + (1000 * turn) / perSecond - performance.now());
}

/** What `work` costs more than `rest`, in microseconds: for each pair of turns, without pauses and with them. */
async function differences(work, rest, { pairs, batch, ...pace }) {
  const found = { busy: [], paced: [] };
  for (let turn = 0; turn < WARM_UP; turn += 1) await work();
  for (let pair = 0; pair < pairs; pair += 1) {
    found.busy.push(-(await cost(rest, batch)) + (await cost(work, batch)));
    found.paced.push(-(await paced(rest, pace)) + (await paced(work, pace)));
  }
  return found;
}

answerParent({
  start,
  stop,
  async payer(pace) {
    const { hash: memo } = buyer.readQuote(await quote());
    return differences(
      () => pay(memo),
      async () => {},
      pace,
    );
  },
  seller: (pace) => differences(sell, give, pace),
});

/** The signed quote of what is for sale. */
async function quote() {
  const terms = (await seller.handle(new Request(`${ORIGIN}/film`))).headers.get("payment-required");
  return Buffer.from(JSON.parse(Buffer.from(terms, "base64")).accepts[0].extra.quote, "base64url");
}
