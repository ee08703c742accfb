// The owner's spend policy, as a wallet's owner writes it down.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Wallet, memoryStore } from "millstream";
import { fileStore } from "millstream/node";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CONTRACTS, account, coded, secret } from "./harness.mjs";
import { POLICY, openBuyer, openTrade } from "./wallet-harness.mjs";

const FILMS = { origin: "https://films.example", file: "film" };
const BOOKS = { origin: "https://books.example", file: "book" };

const openWith = async (t, policy, more = {}) => {
  const trade = await openTrade(t, { buyer: { policy: { ...POLICY, ...policy }, ...more } });
  const refusals = [];
  trade.buyer.on("spendRefused", (event) => refusals.push(event));
  return { ...trade, refusals };
};

/** What a payment is refused with. */
const refusalOf = async (paying, code = "SPEND_LIMIT") => {
  const error = await paying.then(
    () => assert.fail("it was paid"),
    (error) => error,
  );
  assert.equal(error.code, code, error.message);
  return error.details.refusal;
};

test("each rule holds, and says which it was", async (t) => {
  const { channel, refusals } = await openWith(t, {
    perPayment: 500n,
    perPayee: { limit: 5_000n, window: "1w" },
    perOrigin: { limit: 900n, window: "1d" },
    perFile: { limit: 800n, window: 3_600 },
    perMinute: 2_000n,
    total: { limit: 10_000n },
  });
  const rules = async (amount, options) => (await refusalOf(channel.pay(amount, options))).rule;
  assert.equal(await rules(501n, FILMS), "payment");
  await channel.pay(500n, FILMS);
  const file = { rule: "file", window: 3_600, asks: false, limit: 800n, spent: 500n, amount: 301n };
  assert.deepEqual(await refusalOf(channel.pay(301n, FILMS)), file);
  await channel.pay(300n, FILMS);
  assert.equal(await rules(101n, { ...FILMS, file: "trailer" }), "origin");
  await channel.pay(100n, { ...FILMS, file: "trailer" });
  await channel.pay(500n, BOOKS);
  await channel.pay(300n, BOOKS);
  const minute = await refusalOf(channel.pay(301n, { origin: "https://third.example", file: "x" }));
  assert.deepEqual([minute.rule, minute.window, minute.spent], ["total", 60, 1_700n]);
  assert.equal(channel.paid, 1_700n);
  assert.equal(refusals.length, 4);
  assert.deepEqual(refusals[1], { channelId: channel.id, refusal: file });
});

test("without a word about what is bought, the seller's key and the memo stand for it", async (t) => {
  const memo = `0x${"77".repeat(32)}`;
  const { channel } = await openWith(t, { perOrigin: { limit: 100n }, perFile: { limit: 60n } });
  await channel.pay(60n, { memo });
  assert.equal((await refusalOf(channel.pay(1n, { memo }))).rule, "file");
  await channel.pay(40n);
  assert.equal((await refusalOf(channel.pay(1n, { memo: `0x${"88".repeat(32)}` }))).rule, "origin");
});

test("ticks stay within the rules, with few vouchers", async (t) => {
  const { channel, buyer } = await openWith(t, { total: { limit: 300n } });
  const kinds = [];
  buyer.on("payment", ({ ticks }) => kinds.push(ticks === 0 ? "voucher" : "tick"));
  for (let paid = 0; paid < 300; paid++) await channel.pay(1n, { ...FILMS, ticks: 255 });
  await refusalOf(channel.pay(1n, { ...FILMS, ticks: 255 }));
  assert.ok(kinds.filter((kind) => kind === "voucher").length <= 12, kinds.join());
  assert.equal(channel.paid, 300n);
});

test("payments made at once share a limit", async (t) => {
  const { channel } = await openWith(t, { total: { limit: 1_000n } });
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => channel.pay(30n, FILMS)));
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 33);
  for (const { reason } of outcomes) if (reason) assert.equal(reason.code, "SPEND_LIMIT");
  assert.equal(channel.paid, 990n);
});

test("the owner is asked, in the order of payments, and may say no", async (t) => {
  const asked = [];
  const answers = [];
  const onAsk = (question) => {
    asked.push(question);
    return new Promise((resolve, reject) => answers.push({ resolve, reject }));
  };
  const { channel, refusals } = await openWith(t, { askAbove: 100n }, { onAsk });
  await channel.pay(100n, FILMS);
  const waiting = channel.pay(50n, FILMS);
  // Others do not wait for the answer.
  const other = await channel.pay(7n, BOOKS);
  assert.deepEqual([other.amount, other.cumulativeAmount], [7n, 107n]);
  const { channelId, amount, spent, limit, asks, rule } = asked[0];
  assert.deepEqual([channelId, amount, spent, limit, asks, rule], [channel.id, 50n, 100n, 100n, true, "file"]);
  answers[0].resolve(true);
  const { cumulativeAmount } = await waiting;
  assert.equal(cumulativeAmount, 157n);
  // 50 of the 100 granted are left.
  await channel.pay(50n, FILMS);

  for (const answer of [(it) => it.resolve(false), (it) => it.resolve("yes"), (it) => it.reject(new Error("closed"))]) {
    const declined = refusalOf(channel.pay(1n, FILMS), "SPEND_DECLINED");
    while (answers.length < asked.length || answers.length < 2) await new Promise(setImmediate);
    answer(answers.at(-1));
    assert.equal((await declined).amount, 1n);
    answers.push({});
    asked.push({});
  }
  assert.deepEqual([channel.paid, refusals.length], [207n, 3]);
});

test("where nobody can be asked, the answer is no", async (t) => {
  const { channel } = await openWith(t, { askAbove: { limit: 10n, window: "1h" } });
  await channel.pay(10n, FILMS);
  await assert.rejects(channel.pay(1n, FILMS), (error) => {
    assert.match(error.message, /onAsk/);
    return coded("SPEND_DECLINED")(error);
  });
});

test("a hold stops all payments until it ends", async (t) => {
  const { channel, buyer } = await openWith(t, {});
  await channel.pay(5n);
  buyer.hold(true);
  await assert.rejects(channel.pay(5n), coded("SPEND_HELD"));
  buyer.hold(false);
  assert.equal((await channel.pay(5n)).cumulativeAmount, 10n);
});

test("a limit holds for who starts again on the same store", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "spending-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const policy = { total: { limit: 1_000n } };
  const store = fileStore(directory);
  const { chain, seller, buyer, channel } = await openWith(t, policy, { store, secret: secret(1) });
  await channel.pay(600n, { ...FILMS, ticks: 3 });
  await buyer.stop();
  await store.close();

  const again = fileStore(directory);
  t.after(() => again.close());
  const second = await openBuyer(t, chain, seller, {
    policy: { ...POLICY, ...policy },
    store: again,
    secret: secret(1),
  });
  const same = await second.loadChannel(channel.id);
  assert.equal((await refusalOf(same.pay(401n, FILMS))).spent, 600n);
  await same.pay(400n, FILMS);
});

test("rules that make no sense are refused when the wallet is opened", async () => {
  const chain = { contracts: CONTRACTS, account: async () => account(1) };
  const wrong = [
    { perPayment: 5 },
    { perPayment: -1n },
    { perPayment: 2n ** 128n },
    { perOrigin: { limit: "5", window: "1d" } },
    { perOrigin: { limit: 5n, window: "1 day" } },
    { perOrigin: { limit: 5n, window: "1.5h" } },
    { perOrigin: { limit: 5n, window: 0 } },
    { perOrigin: { limit: 5n, window: "99999999999d" } },
    { total: { limit: 5n, window: Infinity } },
    { total: { limit: 5n, asset: "0x12" } },
    { askAbove: null },
  ];
  for (const policy of wrong)
    await assert.rejects(
      Wallet.open({ chain, store: memoryStore(), policy }),
      ({ code }) => ["INVALID_ARGUMENT", "INVALID_HEX", "AMOUNT_OUT_OF_RANGE"].includes(code),
      JSON.stringify(policy, (_, value) => (typeof value === "bigint" ? `${value}n` : value)),
    );
});

test("names of what is bought are short strings", async (t) => {
  const { channel } = await openWith(t, { perFile: { limit: 10n } });
  for (const file of [5, null, {}, "x".repeat(5_000)])
    await assert.rejects(channel.pay(1n, { file }), coded("INVALID_ARGUMENT", "file"), String(file).slice(0, 9));
  assert.equal(channel.paid, 0n);
});
