// The wallet around the core: opening, closing and leaving, with everything around it failing in turn.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MillstreamError, Wallet, memoryStore } from "millstream";

import { account, coded, random, secret, sleep, until } from "./harness.mjs";
import {
  DEPOSIT,
  FILE,
  FakeChain,
  FakeSeller,
  ORIGIN,
  POLICY,
  PRICE,
  frames,
  openBuyer,
  openTrade,
} from "./wallet-harness.mjs";

const refused = (code) => () => {
  throw new MillstreamError(code, "not today");
};

/** A chain, mining on unless told otherwise, a seller and a buyer. */
async function setUp(t, { mining = true, seller: sellerOptions, buyer: buyerOptions } = {}) {
  const chain = new FakeChain();
  if (mining) {
    const timer = setInterval(() => chain.mine(), 5);
    t.after(() => clearInterval(timer));
  }
  const seller = await FakeSeller.open(t, chain, sellerOptions);
  const buyer = await openBuyer(t, chain, seller, buyerOptions);
  return { chain, seller, buyer };
}

describe("opening a channel", () => {
  it("goes through its steps, and says how deep the deposit is", async (t) => {
    const { chain, seller, buyer } = await setUp(t, { mining: false });
    const progress = [];
    const statuses = [];
    const transactions = [];
    buyer.on("status", ({ status }) => statuses.push(status));
    buyer.on("transaction", (event) => transactions.push(event));
    const opening = buyer.openChannel({
      seller: FILE,
      deposit: DEPOSIT,
      confirmations: 4,
      onProgress: (step, info) => progress.push([step, info]),
    });
    await until(() => progress.some(([step]) => step === "confirming"));
    for (let block = 0; block < 3; block++) {
      await sleep(30);
      chain.mine();
    }
    const channel = await opening;
    const steps = progress.map(([step]) => step).filter((step, at, all) => step !== all[at - 1]);
    assert.deepEqual(steps, ["proposed", "accepted", "depositing", "confirming", "open"]);
    const depths = new Set(progress.flatMap(([, { confirmations }]) => confirmations ?? []));
    assert.deepEqual([...depths], [1, 2, 3, 4].slice(0, depths.size));
    assert.ok(depths.size >= 3);
    assert.equal(progress.find(([step]) => step === "confirming")[1].needed, 4);
    const [{ hash, ...transaction }] = transactions;
    assert.deepEqual(transaction, { channelId: channel.id, kind: "deposit", gasUsed: 50_000n, block: 101 });
    assert.equal(progress.at(-1)[1].transactionHash, hash);
    assert.deepEqual(statuses, ["initialized", "signed", "open"]);
    assert.deepEqual(chain.sent, ["deposit"]);
    const { status, deposit, remaining, paid, sellerUrl } = channel;
    assert.deepEqual(
      { status, deposit, remaining, paid, sellerUrl },
      {
        status: "open",
        deposit: DEPOSIT,
        remaining: DEPOSIT,
        paid: 0n,
        sellerUrl: `${ORIGIN}/.well-known/millstream`,
      },
    );
    assert.equal(buyer.channel(channel.id), channel);
    assert.deepEqual(buyer.channels(), [channel]);
    assert.deepEqual([channel.info.peer, channel.info.challengeDuration], [seller.wallet.address, 60]);
    await until(() => seller.wallet.channel(channel.id).status === "open");
    const payment = await channel.pay(PRICE);
    assert.ok(payment.signMs > 0);
    const received = await seller.wallet.receivePayment(payment.bytes);
    assert.deepEqual(received, {
      channelId: channel.id,
      serial: 1,
      ticks: 0,
      amount: PRICE,
      cumulativeAmount: PRICE,
      memo: `0x${"00".repeat(32)}`,
    });
  });

  for (const [what, lose] of [
    ["message", () => Promise.reject(new TypeError("connection reset"))],
    ["answer", () => undefined],
    ["server for a moment", () => new Response("", { status: 503 })],
  ])
    it(`loses no ${what} for good`, async (t) => {
      const { chain, seller, buyer } = await setUp(t);
      const lost = new Set();
      const handle = seller.fetch;
      seller.onMessage = (count) => {
        if (count % 2 === 0) return undefined;
        lost.add(count);
        return lose();
      };
      const buyerFetch = async (url, init) => {
        const before = lost.size;
        const response = await handle(url, init);
        // The message arrived, its answer does not.
        if (what === "answer" && lost.size > before) throw new TypeError("connection reset");
        return response;
      };
      const other = await openBuyer(t, chain, { fetch: buyerFetch });
      const channel = await other.openChannel({ seller: FILE, deposit: DEPOSIT });
      assert.equal(channel.status, "open");
      assert.deepEqual(chain.sent, ["deposit"]);
      assert.ok(lost.size >= 1);
      await other.stop();
      await buyer.stop();
    });

  it("is refused by a seller with its own code, and nothing is deposited", async (t) => {
    const { chain, buyer } = await setUp(t, { seller: { policy: { ...POLICY, minDeposit: DEPOSIT + 1n } } });
    await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), (error) => {
      assert.equal(error.details.peerCode, "POLICY_DEPOSIT");
      assert.equal(error.details.aborted, true);
      assert.equal(buyer.channel(error.details.channelId).status, "aborted");
      return coded("SELLER_REFUSED")(error);
    });
    assert.deepEqual(chain.sent, []);
  });

  it("follows the buyer's own policy before anybody is asked", async (t) => {
    const { seller, buyer } = await setUp(t, { buyer: { policy: {} } });
    // The quote asks for 60 seconds, the default policy for an hour.
    const opening = buyer.openChannel({ seller: FILE, deposit: DEPOSIT });
    await assert.rejects(opening, coded("POLICY_CHALLENGE_DURATION"));
    for (const [deposit, code] of [
      [0n, "TERMS_ZERO_DEPOSIT"],
      [-1n, "AMOUNT_OUT_OF_RANGE"],
      [2n ** 128n, "AMOUNT_OUT_OF_RANGE"],
      [5, "INVALID_ARGUMENT"],
      [undefined, "INVALID_ARGUMENT"],
    ])
      await assert.rejects(buyer.openChannel({ seller: FILE, deposit, challengeDuration: 3_600 }), coded(code));
    assert.deepEqual([seller.messages, buyer.channels()], [0, []]);
  });

  for (const code of ["TRANSACTION_REJECTED", "TRANSACTION_REVERTED", "TRANSACTION_REFUSED", "NO_ACCOUNT"])
    it(`is given up when the deposit fails with ${code}, and works the next time`, async (t) => {
      const { chain, buyer } = await setUp(t);
      const errors = [];
      buyer.on("error", ({ error }) => errors.push(error.code));
      chain.onTransaction = refused(code);
      await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), (error) => {
        assert.equal(error.details.aborted, true);
        assert.match(error.message, /nothing was deposited/);
        return coded(code)(error);
      });
      assert.deepEqual([errors, chain.sent], [[code], ["deposit"]]);
      assert.equal(buyer.channels()[0].status, "aborted");
      await sleep(400);
      assert.deepEqual(chain.sent, ["deposit"], "it is not sent again unasked");
      chain.onTransaction = () => {};
      assert.equal((await buyer.openChannel({ seller: FILE, deposit: DEPOSIT })).status, "open");
    });

  it("keeps a channel whose deposit may have been sent, and opens it when it turns up", async (t) => {
    const { chain, buyer } = await setUp(t);
    // The node takes the transaction, and its answer is lost.
    chain.onTransaction = () => {
      chain.onTransaction = () => {};
      return chain
        .as(1)
        .sendTransaction(lastDeposit)
        .then(() => refused("CHAIN_UNREACHABLE")());
    };
    let lastDeposit;
    const original = buyer.chain.sendTransaction;
    buyer.chain.sendTransaction = (transaction, options) => original((lastDeposit = transaction), options);
    await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), (error) => {
      assert.equal(error.details.aborted, false);
      return coded("CHAIN_UNREACHABLE")(error);
    });
    const [channel] = buyer.channels();
    await until(() => channel.status === "open");
  });

  it("is aborted by a signal: given up before the deposit, kept after it", async (t) => {
    const { chain, seller, buyer } = await setUp(t);
    await assert.rejects(
      buyer.openChannel({ seller: FILE, deposit: DEPOSIT, signal: AbortSignal.abort() }),
      coded("ABORTED"),
    );
    assert.deepEqual(buyer.channels(), []);
    const open = (onProgress) => {
      const controller = new AbortController();
      const { signal } = controller;
      return buyer.openChannel({ seller: FILE, deposit: DEPOSIT, signal, onProgress: onProgress(controller) });
    };
    seller.onMessage = () => new Promise(() => {});
    await assert.rejects(
      open((controller) => (step) => step === "proposed" && setTimeout(() => controller.abort(), 20)),
      (error) => {
        assert.equal(error.details.aborted, true);
        assert.equal(buyer.channel(error.details.channelId).status, "aborted");
        return coded("ABORTED")(error);
      },
    );
    seller.onMessage = () => undefined;
    await assert.rejects(
      open((controller) => (step) => step === "confirming" && controller.abort()),
      (error) => {
        assert.equal(error.details.aborted, false);
        return coded("ABORTED")(error);
      },
    );
    const kept = buyer.channels().find(({ status }) => status !== "aborted");
    await until(() => kept.status === "open", "the deposit is not lost");
    assert.deepEqual(chain.sent, ["deposit"]);
  });

  it("gives up on a seller that does not answer any more, before the deposit", async (t) => {
    const { chain, seller, buyer } = await setUp(t);
    seller.onMessage = () => Promise.reject(new TypeError("connection refused"));
    await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), (error) => {
      assert.equal(error.details.aborted, true);
      return coded("SELLER_UNREACHABLE")(error);
    });
    assert.deepEqual([seller.messages, chain.sent], [5, []]);
  });

  it("takes no answer that cannot be read", async (t) => {
    const { chain, seller, buyer } = await setUp(t);
    const bodies = {
      "half a length": Uint8Array.of(0, 0),
      "half a message": Uint8Array.of(0, 0, 0, 9, 1),
      "an endless message": Uint8Array.of(255, 255, 255, 255),
      "65 messages": new Uint8Array(65 * 4),
      "64 KiB and a byte": new Uint8Array(64 * 1024 + 1),
    };
    for (const [name, body] of Object.entries(bodies)) {
      seller.onMessage = () => new Response(body);
      const opening = buyer.openChannel({ seller: FILE, deposit: DEPOSIT });
      await assert.rejects(opening, coded("SELLER_ANSWER_MALFORMED"), name);
    }
    for (const garbage of [new Uint8Array(0), new Uint8Array(100).fill(7), new Uint8Array(17_000)]) {
      seller.onMessage = () => frames([garbage]);
      await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), (error) => {
        assert.match(error.code, /^MESSAGE_/);
        return true;
      });
    }
    seller.onMessage = () =>
      Response.json({ error: { code: "a code <of> theirs", message: "x".repeat(9_999) } }, { status: 400 });
    await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), (error) => {
      assert.deepEqual([error.details.peerCode, error.details.status], ["UNKNOWN", 400]);
      assert.ok(error.message.length < 600);
      return coded("SELLER_REFUSED")(error);
    });
    assert.deepEqual(chain.sent, []);
  });

  it("sends its deposit once, however often it is resumed", async (t) => {
    const { chain, buyer } = await setUp(t, { mining: false });
    let release;
    chain.onTransaction = () => new Promise((resolve) => (release = resolve));
    let channelId;
    const opening = buyer.openChannel({
      seller: FILE,
      deposit: DEPOSIT,
      onProgress: (_, info) => ({ channelId } = info),
    });
    await until(() => release);
    for (let round = 0; round < 3; round++) await buyer.channel(channelId).resume();
    await assert.rejects(buyer.channel(channelId).abort(), coded("DEPOSIT_UNDER_WAY"));
    release();
    await until(() => chain.block > 100, "it is mined");
    for (let round = 0; round < 3; round++) await buyer.channel(channelId).resume();
    await sleep(20);
    chain.mine(3);
    assert.equal((await opening).status, "open");
    assert.deepEqual(chain.sent, ["deposit"]);
  });

  it("ends with the wallet", async (t) => {
    const { seller, buyer } = await setUp(t, { mining: false });
    const opening = buyer.openChannel({ seller: FILE, deposit: DEPOSIT });
    await until(() => seller.messages > 0);
    await buyer.stop();
    await assert.rejects(opening, coded("WALLET_STOPPED"));
    await assert.rejects(buyer.openChannel({ seller: FILE, deposit: DEPOSIT }), coded("WALLET_STOPPED"));
    await buyer.stop();
  });
});

describe("closing a channel", () => {
  it("pays out in one transaction, and says so to both", async (t) => {
    const { chain, seller, buyer, channel } = await openTrade(t);
    const { bytes } = await channel.pay(12_345n);
    await seller.wallet.receivePayment(bytes);
    const closed = [];
    seller.wallet.on("closed", (event) => closed.push(event));
    buyer.on("closed", (event) => closed.push(event));
    const result = await channel.close();
    const { transactionHash, ...amounts } = result;
    assert.match(transactionHash, /^0x[0-9a-f]{64}$/);
    assert.deepEqual(amounts, { paid: 12_345n, refunded: DEPOSIT - 12_345n, carried: 0n });
    await until(() => closed.length === 2);
    for (const event of closed) assert.deepEqual(event, { channelId: channel.id, ...amounts });
    assert.deepEqual(chain.sent, ["deposit", "concludeAndTransferAllAssets"]);
    assert.deepEqual(await channel.close(), amounts);
    await assert.rejects(channel.pay(1n), coded("CHANNEL_NOT_OPEN"));
  });

  it("waits for a seller that is away for a moment", async (t) => {
    const { seller, channel } = await openTrade(t);
    const start = seller.messages;
    seller.onMessage = (count) => (count < start + 3 ? new Response("", { status: 502 }) : undefined);
    assert.equal((await channel.close()).refunded, DEPOSIT);
  });

  it("says when the seller is gone, and goes on by itself when it is back", async (t) => {
    const { seller, channel } = await openTrade(t);
    seller.onMessage = () => new Response("", { status: 502 });
    await assert.rejects(channel.close(), coded("SELLER_UNREACHABLE"));
    assert.equal(channel.status, "closing");
    seller.onMessage = () => undefined;
    await until(() => channel.status === "closed", "it was closed in the end", 10_000);
  });

  it("asks nobody twice for a transaction that was declined, until it is resumed", async (t) => {
    const { chain, channel } = await openTrade(t);
    chain.onTransaction = refused("TRANSACTION_REJECTED");
    await assert.rejects(channel.close(), coded("TRANSACTION_REJECTED"));
    await sleep(600);
    assert.deepEqual(chain.sent, ["deposit", "concludeAndTransferAllAssets"]);
    chain.onTransaction = () => {};
    await channel.resume();
    await until(() => channel.status === "closed");
  });

  it("does not mind that the other side's transaction was first", async (t) => {
    const { chain, buyer, channel } = await openTrade(t);
    let conclude;
    const send = buyer.chain.sendTransaction;
    buyer.chain.sendTransaction = (transaction, options) => send((conclude = transaction), options);
    // The other side's goes through, ours reverts.
    chain.onTransaction = async () => {
      chain.onTransaction = () => {};
      await chain.as(2).sendTransaction(conclude);
      refused("TRANSACTION_REVERTED")();
    };
    assert.deepEqual(await channel.close(), { paid: 0n, refunded: DEPOSIT, carried: 0n });
  });

  it("that a payee asks for reaches the payer with its next message", async (t) => {
    const { seller, channel } = await openTrade(t);
    const side = seller.wallet.channel(channel.id);
    await until(() => side.status === "open");
    const closing = side.close();
    await sleep(20);
    assert.equal(channel.status, "open");
    await channel.resume();
    const { transactionHash, refunded } = await closing;
    assert.ok(transactionHash);
    assert.equal(refunded, DEPOSIT);
    await until(() => channel.status === "closed");
  });

  it("is finished after a restart, unasked", async (t) => {
    const store = memoryStore();
    const { chain, seller, buyer, channel } = await openTrade(t, { buyer: { store } });
    seller.onMessage = () => new Response("", { status: 502 });
    const controller = new AbortController();
    const closing = channel.close({ signal: controller.signal });
    await until(() => channel.status === "closing");
    controller.abort();
    await assert.rejects(closing, coded("ABORTED"));
    await buyer.stop();
    seller.onMessage = () => undefined;
    const again = await openBuyer(t, chain, seller, { store, secret: buyer.exportSecret() });
    await until(() => again.channel(channel.id).status === "closed");
  });
});

describe("leaving a channel", () => {
  it("takes a challenge, its time, and a pay-out", async (t) => {
    const { chain, seller, buyer, channel } = await openTrade(t);
    await seller.wallet.stop();
    const steps = [];
    const challenged = [];
    buyer.on("challenged", (event) => challenged.push(event));
    const leaving = channel.leave({ onProgress: (progress) => steps.push(progress) });
    await until(() => channel.status === "challenged");
    chain.mine(1, 61);
    const { transactionHash, ...amounts } = await leaving;
    assert.deepEqual(amounts, { paid: 0n, refunded: DEPOSIT, carried: 0n });
    const order = steps.map(({ step }) => step).filter((step, at, all) => step !== all[at - 1]);
    assert.deepEqual(order, ["challenging", "challenged", "transferring", "closed"]);
    const { finalizesAt } = steps.find(({ step }) => step === "challenged");
    assert.deepEqual(challenged, [{ channelId: channel.id, finalizesAt, ours: true }]);
    assert.equal(steps.findLast(({ step }) => step === "transferring").transactionHash, transactionHash);
    assert.deepEqual(chain.sent, ["deposit", "challenge", "transferAllAssets"]);
  });

  it("is refused when there is nothing to leave with", async (t) => {
    const { seller, channel } = await openTrade(t);
    const side = seller.wallet.channel(channel.id);
    await until(() => side.status === "open");
    await assert.rejects(side.leave(), coded("LEAVE_NOTHING_TO_CLAIM"));
  });
});

describe("a wallet", () => {
  it("reads the chain in ranges of 2,000 blocks, from the first block of the contracts", async (t) => {
    const store = memoryStore();
    const { chain, seller, buyer, channel } = await openTrade(t, { buyer: { store } });
    await buyer.stop();
    chain.mine(9_000);
    const asked = chain.asked.length;
    const view = { ...chain.as(1), firstBlock: 90 };
    const again = await Wallet.open({
      chain: view,
      store,
      secret: buyer.exportSecret(),
      policy: POLICY,
      fetch: seller.fetch,
      pollInterval: 5,
    });
    t.after(() => again.stop());
    const ranges = () => chain.asked.slice(asked).filter(([from, to]) => to - from > 100 || to > 8_000);
    await until(() => ranges().length >= 5);
    const [first] = ranges();
    assert.ok(first[0] >= 90 && first[0] <= again.channel(channel.id).info.seenBlock, "no block before the contracts");
    for (const [from, to] of chain.asked) assert.ok(to - from < 2_000);
  });

  it("says once that the chain is gone, and goes on when it is back", async (t) => {
    const { chain, seller, channel } = await openTrade(t);
    const errors = [];
    seller.wallet.on("error", ({ error }) => errors.push(error.code));
    chain.unreachable = true;
    await until(() => errors.length > 0);
    await sleep(1_200);
    assert.deepEqual(errors, ["CHAIN_UNREACHABLE"]);
    // Payments need no chain.
    const { bytes } = await channel.pay(PRICE);
    assert.equal((await seller.wallet.receivePayment(bytes)).amount, PRICE);
    chain.unreachable = false;
    await channel.close();
  });

  it("takes 100 payments at once, in order, from listeners that pay as well", async (t) => {
    const { seller, buyer, channel } = await openTrade(t);
    let echo;
    buyer.on("payment", ({ serial }) => {
      if (serial === 50) echo = channel.pay(7n);
    });
    const payments = await Promise.all(Array.from({ length: 100 }, () => channel.pay(1n)));
    assert.deepEqual(
      payments.map(({ serial }) => serial),
      Array.from({ length: 100 }, (_, at) => at + 1),
    );
    const last = await echo;
    assert.deepEqual([last.serial, last.cumulativeAmount], [101, 107n]);
    const received = await Promise.all([...payments, last].map(({ bytes }) => seller.wallet.receivePayment(bytes)));
    assert.equal(
      received.reduce((sum, { amount }) => sum + amount, 0n),
      107n,
    );
  });

  it("goes on when a listener throws, and reports it as uncaught", async (t) => {
    const { buyer, channel } = await openTrade(t);
    const uncaught = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const listen = (error) => uncaught.push(error.message);
    process.on("uncaughtException", listen);
    const off = buyer.on("payment", () => {
      throw new Error("a bug in the page");
    });
    const heard = [];
    buyer.on("payment", ({ serial }) => heard.push(serial));
    await channel.pay(1n);
    await sleep(5);
    off();
    await channel.pay(1n);
    process.off("uncaughtException", listen);
    for (const other of others) process.on("uncaughtException", other);
    assert.deepEqual([uncaught, heard], [["a bug in the page"], [1, 2]]);
  });

  it("answers hostile messages and payments with typed errors", async (t) => {
    const { seller, channel } = await openTrade(t);
    const draw = random(21);
    const before = seller.wallet.channel(channel.id).info;
    for (let round = 0; round < 500; round++) {
      const bytes = Uint8Array.from({ length: draw(900) }, () => draw(256));
      for (const call of [() => seller.wallet.receiveMessage(bytes), () => seller.wallet.receivePayment(bytes)])
        await assert.rejects(call(), (error) => error instanceof MillstreamError && error.details.reply === undefined);
    }
    for (const nonsense of [undefined, null, "x", 5, {}, []]) {
      await assert.rejects(seller.wallet.receiveMessage(nonsense), coded("INVALID_ARGUMENT"));
      await assert.rejects(seller.wallet.receivePayment(nonsense), coded("INVALID_ARGUMENT"));
    }
    assert.deepEqual(seller.wallet.channel(channel.id).info, before);
  });

  it("needs its own key for its own store", async (t) => {
    const store = memoryStore();
    const { chain, buyer } = await openTrade(t, { buyer: { store } });
    await buyer.stop();
    const other = Wallet.open({ chain: chain.as(1), store, secret: secret(0x77), policy: POLICY });
    await assert.rejects(other, coded("RECORD_FOREIGN"));
  });

  it("checks what it is made of", async () => {
    const chain = new FakeChain().as(1);
    const open = (options) => Wallet.open({ chain, ...options });
    await assert.rejects(open({ secret: new Uint8Array(5) }), coded("INVALID_ARGUMENT", "secret"));
    await assert.rejects(open({ destination: "me" }), coded("INVALID_HEX", "destination"));
    await assert.rejects(open({ pollInterval: 0 }), coded("INVALID_ARGUMENT", "pollInterval"));
    await assert.rejects(open({ policy: { minDeposit: 1 } }), coded("INVALID_ARGUMENT", "minDeposit"));
    const broken = { ...memoryStore(), load: () => Promise.reject(new Error("gone")) };
    await assert.rejects(open({ store: broken }), coded("STORE_FAILED"));
    const wallet = await open({ destination: account(0xab).toUpperCase().replace("0X", "0x") });
    assert.equal(wallet.destination, account(0xab));
    assert.equal((await (await open({})).stop(), wallet.chain), chain);
    await wallet[Symbol.asyncDispose]();
  });
});
