// What is owed for a film: pure sums, held against random players and random sellers.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CreditBook, MeterAccount, PlayClock } from "../dist/metering.js";

/** Numbers from a seed: the same in every run. */
function random(seed) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return { next, below: (limit) => Math.floor(next() * limit), pick: (list) => list[Math.floor(next() * list.length)] };
}

const SLACK = 0.1;
const close = (a, b, message) => assert.ok(Math.abs(a - b) < 1e-6, `${message}: ${a} against ${b}`);

test("only what plays counts, at the film's own pace", () => {
  const clock = new PlayClock();
  const run = (media, wall, rate = 1) => clock.run({ media, wall, rate });
  run(10, 0);
  close(clock.played, 0, "where it begins counts nothing");
  run(10.25, 0.25);
  run(10.75, 0.5, 2);
  close(clock.played, 0.75, "twice as fast");
  run(10.75, 5);
  close(clock.played, 0.75, "it stood");
  clock.stand();
  run(100, 5.1);
  close(clock.played, 0.75, "a jump");
  run(99, 5.2);
  close(clock.played, 0.75, "backwards");
  run(150, 5.3);
  close(clock.played, 0.75 + 0.1 + SLACK, "a jump that nobody told of counts no more than time allows");
  for (const media of [NaN, Infinity, -Infinity, -5]) run(media, 6);
  assert.ok(Number.isFinite(clock.played) && Number.isFinite(clock.seen));
});

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8])
  test(`random players: what was played and what was seen (seed ${seed})`, () => {
    const { next, below, pick } = random(seed);
    const clock = new PlayClock();
    const LENGTH = 60;
    /** What was seen, in hundredths of a second: time goes by in these. */
    const seen = new Set();
    let [media, wall, played, rate, playing] = [0, 0, 0, 1, false];
    const look = () => clock.run({ media: media / 100, wall, rate });
    for (let step = 0; step < 600; step += 1) {
      const what = pick(["play", "pause", "seek", "go", "go", "go", "rate"]);
      if (what === "play" && !playing) {
        playing = true;
        look();
      } else if (what === "pause" && playing) {
        look();
        clock.stand();
        playing = false;
      } else if (what === "seek") {
        if (playing) look();
        clock.stand();
        media = below(LENGTH * 100);
        if (playing) look();
      } else if (what === "rate") {
        if (playing) look();
        rate = pick([1, 2, 4]);
      } else {
        const ticks = below(40);
        wall += ticks / 100;
        const before = media;
        if (playing) {
          media = Math.min(LENGTH * 100, media + ticks * rate);
          played += (media - before) / 100;
          for (let at = before; at < media; at += 1) seen.add(at);
          if (next() < 0.8) look();
        }
      }
      // What was not looked at yet is not counted yet.
      assert.ok(clock.played <= played + 1e-6, `step ${step}`);
    }
    if (playing) look();
    close(clock.played, played, "played");
    close(clock.seen, seen.size / 100, "seen");
    assert.ok(clock.seen <= LENGTH && clock.seen <= clock.played + 1e-6);
  });

for (const seed of [11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
  test(`random films: paid no more than was bought, and never more than the credit behind (seed ${seed})`, () => {
    const { below, pick } = random(seed);
    const price = BigInt(1 + below(1_000));
    const credit = pick([0n, price, 7n * price + 3n, 20n * price, 1_000n * price]);
    const book = new CreditBook();
    const account = new MeterAccount();
    const clock = new PlayClock();
    const costs = Array.from({ length: 40 }, () => BigInt(below(7)) * price);
    /** As the seller sees it. */
    const seller = { received: 0n, spent: 0n, sold: new Set() };
    const asked = new Set();
    let unspent = 0n;
    const pay = (amount) => {
      assert.ok(amount > 0n);
      account.pay(amount);
      unspent += book.pay(amount);
      seller.received += amount;
    };
    const settle = () => {
      const due = account.due(clock.seen, price);
      const amount = due < book.owed ? due : book.owed;
      if (amount > 0n) pay(amount);
    };
    let [media, wall, playing] = [0, 0, false];
    for (let step = 0; step < 500; step += 1) {
      const before = { paid: account.paid, seen: clock.seen };
      const what = pick(["fetch", "fetch", "play", "pause", "seek", "stall", "hide", "go", "go", "arrive", "give up"]);
      if (what === "fetch") {
        const index = below(costs.length);
        const cost = book.has(index) || seller.sold.has(index) ? 0n : costs[index];
        const due = book.due(cost, { price, credit });
        account.ask(book.ask(index, cost));
        if (due > 0n) pay(due);
        asked.add(index);
        // The seller: once each, and no more than the credit ahead.
        if (!seller.sold.has(index)) {
          assert.ok(seller.received - seller.spent + credit >= costs[index], `the seller would refuse in step ${step}`);
          seller.sold.add(index);
          seller.spent += costs[index];
        }
      } else if (what === "arrive" || what === "give up") {
        const index = pick([...asked, -1]);
        if (what === "arrive") book.arrived(index);
        else book.end(index, pick(["lost", "unwanted"]));
      } else if (what === "go") {
        wall += 0.25;
        if (playing) media += 0.25;
        if (playing) clock.run({ media, wall, rate: 1 });
        settle();
      } else {
        clock.stand();
        if (what === "seek") media = below(100);
        playing = what === "play" || (what === "seek" && playing);
        if (playing) clock.run({ media, wall, rate: 1 });
        settle();
      }
      const moved = clock.seen > before.seen;
      if (what !== "fetch" && !moved) assert.equal(account.paid, before.paid, `paid while ${what}, and nothing played`);
      assert.ok(account.paid <= account.cost, "paid for more than was fetched");
      assert.ok(account.paid >= account.cost - credit, "behind by more than the credit");
      assert.equal(account.cost, seller.spent);
      assert.equal(book.owed, seller.spent - seller.received, "both say the same is owed");
      assert.equal(unspent, 0n);
      const open = [...asked].filter((index) => book.has(index)).reduce((sum, index) => sum + costs[index], 0n);
      assert.ok(book.ahead() <= open, "at risk is no more than what has not arrived");
      const watched = price * BigInt(Math.ceil(clock.seen));
      if (credit >= account.cost) assert.ok(account.paid <= watched, "with enough credit one pays what one sees");
    }
    assert.ok(account.cost > 0n);
    if (book.owed > 0n) pay(book.owed);
    assert.equal(seller.received, seller.spent);
  });

test("what was never bought is given back, and debts of an older quote are taken over", () => {
  const book = new CreditBook();
  assert.equal(book.ask(1, 50n), 50n);
  assert.equal(book.ask(1, 50n), 0n);
  assert.equal(book.pay(20n), 0n);
  assert.deepEqual([book.owed, book.ahead(), book.ahead(10n)], [30n, 20n, 30n]);
  assert.equal(book.isWaiting, true);
  book.end(1, "lost");
  assert.deepEqual([book.ahead(), book.isWaiting], [20n, false]);
  book.end(1, "unwanted");
  assert.equal(book.ahead(), 0n);
  book.ask(1, 50n);
  assert.equal(book.undo(1), 20n);
  assert.deepEqual([book.owed, book.ahead(), book.undo(1), book.arrived(1)], [0n, 0n, 0n, false]);
  const next = new CreditBook();
  book.owe(9n);
  next.takeOver(book);
  assert.deepEqual([book.owed, next.owed], [0n, 9n]);
  assert.equal(next.pay(10n), 1n);
});
