// Two cores live through a channel: what they send the chain and each other is read by ethers, from the published
// contracts' interface and the protocol's types.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { keccak256 } from "ethers";
import { claimOf, decodePayment, init } from "millstream";

import {
  ADJUDICATOR,
  CONTRACTS,
  HOUR,
  NATIVE,
  Party,
  T0,
  TERMS,
  account,
  call,
  channelIdOf,
  coded,
  confirmDeposit,
  exchange,
  log,
  only,
  openBetween,
  openTerms,
  quoteHash,
  sends,
  voucherSigner,
} from "./harness.mjs";

const MEMO = `0x${"5e".repeat(32)}`;

describe("two cores", () => {
  let payer, payee;

  before(() => init());
  const fresh = () => [(payer = new Party(1)), (payee = new Party(2))];

  it("open a channel under the id that the adjudicator computes", () => {
    fresh();
    const { result: id, outputs } = payer.step((core) => core.openChannel(openTerms(payee), T0));
    const expected = channelIdOf({
      payer: payer.core.address(),
      payee: payee.core.address(),
      nonce: TERMS.nonce,
      challengeDuration: HOUR,
    });
    assert.equal(id, expected);
    assert.deepEqual(
      outputs.map(({ type }) => type),
      ["wakeAt", "commit", "notify", "send"],
    );
    const accepted = payee.step((core) => core.message(sends(outputs)[0], T0));
    const signed = payer.step((core) => core.message(sends(accepted.outputs)[0], T0));
    const { kind, to, value, data } = only(signed.outputs, "submit");
    assert.deepEqual([kind, to, value], ["deposit", ADJUDICATOR, TERMS.deposit]);
    const { name, args } = call(data);
    assert.deepEqual([name, ...args], ["deposit", NATIVE, id, 0n, TERMS.deposit]);
    confirmDeposit(payer, payee, id, TERMS.deposit);
    for (const [party, role] of [
      [payer, "payer"],
      [payee, "payee"],
    ]) {
      const { peer, ...info } = party.core.channel(id);
      assert.equal(peer, (party === payer ? payee : payer).core.address());
      assert.deepEqual(info, {
        id,
        kind: "stream",
        role,
        status: "open",
        payer: payer.core.address(),
        payee: payee.core.address(),
        asset: NATIVE,
        deposit: TERMS.deposit,
        payeeDeposit: 0n,
        reserve: 0n,
        balances: { payer: TERMS.deposit, payee: 0n },
        cumulativeAmount: 0n,
        remaining: TERMS.deposit,
        serial: 0,
        ticks: 0,
        baseTurn: 1,
        holdings: TERMS.deposit,
        turnRecord: 0,
        challengeDuration: HOUR,
        confirmations: 2,
        pending: false,
        leaving: false,
        seenBlock: 10,
      });
    }
  });

  it("settle a ledger on the contract that asks for both signatures, and split its money both ways", () => {
    fresh();
    const terms = { kind: "ledger", reserve: 10n };
    const id = openBetween(payer, payee, terms);
    const expected = channelIdOf({
      payer: payer.core.address(),
      payee: payee.core.address(),
      nonce: TERMS.nonce,
      challengeDuration: HOUR,
      app: CONTRACTS.consensusApp,
    });
    assert.equal(id, expected);
    exchange(payer, payee, payer.step((core) => core.pay(id, 500n, { memo: MEMO }, 0, T0)).outputs, T0);
    exchange(payee, payer, payee.step((core) => core.pay(id, 200n, { memo: MEMO }, 0, T0)).outputs, T0);
    for (const { core } of [payer, payee]) {
      const { kind, reserve, balances, cumulativeAmount, pending } = core.channel(id);
      assert.deepEqual([kind, reserve, cumulativeAmount, pending], ["ledger", 10n, 300n, false]);
      assert.deepEqual(balances, { payer: TERMS.deposit - 300n, payee: 300n });
    }
    assert.throws(
      () => payer.core.openChannel(openTerms(payee, { kind: "app" }), T0),
      coded("INVALID_ARGUMENT", "kind"),
    );
  });

  it("pay with vouchers that ethers attributes to the payer", () => {
    fresh();
    const id = openBetween(payer, payee);
    let paid = 0n;
    for (const [index, amount] of [1n, 999n, 2n ** 19n].entries()) {
      paid += amount;
      const { outputs } = payer.step((core) => core.pay(id, amount, { memo: MEMO }, 0, T0));
      const payment = only(outputs, "payment");
      assert.deepEqual([payment.serial, payment.amount, payment.cumulativeAmount], [index + 1, amount, paid]);
      const fields = decodePayment(payment.bytes);
      assert.equal(voucherSigner(fields), payer.core.address());
      assert.deepEqual(
        [fields.channelId, fields.baseTurn, fields.serial, fields.cumulativeAmount, fields.memo],
        [id, 1, index + 1, paid, MEMO],
      );
      const received = payee.step((core) => core.payment(payment.bytes, T0));
      assert.equal(received.result, id);
      const { event } = only(received.outputs, "notify");
      assert.deepEqual(event, {
        type: "paymentReceived",
        channelId: id,
        serial: index + 1,
        ticks: 0,
        amount,
        cumulativeAmount: paid,
        memo: MEMO,
      });
      const again = payee.step((core) => core.payment(payment.bytes, T0));
      assert.equal(only(again.outputs, "notify").event.amount, 0n);
    }
    assert.equal(payer.core.channel(id).remaining, TERMS.deposit - paid);
    assert.throws(() => payer.core.pay(id, TERMS.deposit, { memo: MEMO }, 0, T0), coded("INSUFFICIENT_BALANCE"));
  });

  it("pay with ticks of one voucher, which the payee takes in any order once it has the voucher", () => {
    fresh();
    const id = openBetween(payer, payee);
    const pay = () => only(payer.step((core) => core.pay(id, 7n, { memo: MEMO }, 3, T0)).outputs, "payment");
    const [voucher, ...ticks] = Array.from({ length: 5 }, pay);
    assert.deepEqual(
      [voucher, ...ticks].map(({ serial, ticks: count, amount, cumulativeAmount }) => [
        serial,
        count,
        amount,
        cumulativeAmount,
      ]),
      [
        [1, 0, 7n, 7n],
        [1, 1, 7n, 14n],
        [1, 2, 7n, 21n],
        [1, 3, 7n, 28n],
        [2, 0, 7n, 35n],
      ],
    );
    assert.ok(ticks.slice(0, 3).every(({ bytes }) => bytes.length <= 76));
    const fields = decodePayment(voucher.bytes);
    const { preimage, ...tick } = decodePayment(ticks[1].bytes);
    assert.deepEqual(tick, { channelId: id, serial: 1, ticks: 2 });
    // keccak256, according to ethers.
    assert.equal(keccak256(keccak256(preimage)), fields.tickTip);

    const take = (bytes) => only(payee.step((core) => core.payment(bytes, T0)).outputs, "notify").event;
    assert.throws(() => payee.step((core) => core.payment(ticks[1].bytes, T0)), coded("VOUCHER_UNKNOWN"));
    const claim = claimOf(voucher.bytes, ticks[1].bytes);
    assert.deepEqual([decodePayment(claim).signature, decodePayment(claim).preimage], [fields.signature, preimage]);
    assert.deepEqual([take(claim).amount, take(claim).amount, take(ticks[0].bytes).amount], [21n, 0n, 0n]);
    assert.equal(take(ticks[2].bytes).amount, 7n);
    assert.deepEqual(payer.core.claim(id), ticks[3].bytes, "a voucher that has no ticks yet");
    assert.deepEqual(payee.core.claim(id), claimOf(claim, ticks[2].bytes));
    assert.equal(payee.core.channel(id).ticks, 3);
    assert.throws(() => claimOf(ticks[0].bytes, ticks[1].bytes), coded("INVALID_ARGUMENT", "voucher"));
    assert.throws(() => claimOf(voucher.bytes, voucher.bytes), coded("INVALID_ARGUMENT", "tick"));
    assert.throws(() => claimOf(ticks[3].bytes, ticks[0].bytes), coded("INVALID_ARGUMENT", "tick"));
    assert.throws(() => payer.core.pay(id, 1n, { memo: MEMO }, 256, T0), coded("INVALID_ARGUMENT", "ticks"));
  });

  it("close with one transaction that pays out what was paid", () => {
    fresh();
    const id = openBetween(payer, payee);
    const { outputs } = payer.step((core) => core.pay(id, 123_456n, { memo: MEMO }, 0, T0));
    payee.step((core) => core.payment(only(outputs, "payment").bytes, T0));
    const closing = payer.step((core) => core.closeChannel(id, T0));
    assert.deepEqual(payer.core.channel(id).closing, { claimed: 123_456n, agreed: false });
    const agreed = payee.step((core) => core.message(sends(closing.outputs)[0], T0));
    const concluded = payer.step((core) => core.message(sends(agreed.outputs)[0], T0));
    assert.deepEqual(payer.core.channel(id).closing, { claimed: 123_456n, agreed: true });
    const { kind, data } = only(concluded.outputs, "submit");
    assert.equal(kind, "conclude");
    const { name, args } = call(data);
    assert.equal(name, "concludeAndTransferAllAssets");
    const [fixed, { variablePart, sigs }] = args;
    assert.deepEqual([fixed.channelNonce, fixed.challengeDuration], [TERMS.nonce, BigInt(HOUR)]);
    assert.deepEqual([variablePart.isFinal, sigs.length], [true, 2]);
    const [{ asset, allocations }] = variablePart.outcome;
    assert.equal(asset, NATIVE);
    assert.deepEqual(
      allocations.map(({ destination, amount }) => [destination, amount]),
      [
        [`0x${"00".repeat(12)}${account(2).slice(2)}`, 123_456n],
        [`0x${"00".repeat(12)}${account(1).slice(2)}`, TERMS.deposit - 123_456n],
      ],
    );
    const update = {
      fromBlock: 12,
      headBlock: 31,
      headTime: T0 + 60,
      logs: [log("Concluded", [id, T0 + 50], 30, 0), log("AllocationUpdated", [id, 0, TERMS.deposit, 0], 30, 1)],
    };
    for (const party of [payer, payee]) {
      const closed = party.step((core) => core.chainUpdate(update, T0 + 60));
      const events = closed.outputs.filter(({ type }) => type === "notify").map(({ event }) => event);
      assert.deepEqual(events.at(-1), {
        type: "closed",
        channelId: id,
        paid: 123_456n,
        refunded: 876_544n,
        carried: 0n,
      });
      const { status, payout } = party.core.channel(id);
      assert.deepEqual([status, payout], ["closed", { paid: 123_456n, refunded: 876_544n, carried: 0n }]);
    }
  });

  it("leave alone with a challenge that carries the best voucher", () => {
    fresh();
    const id = openBetween(payer, payee);
    const { outputs } = payer.step((core) => core.pay(id, 5n, { memo: MEMO }, 0, T0));
    payee.step((core) => core.payment(only(outputs, "payment").bytes, T0));
    const left = payee.step((core) => core.leaveChannel(id, T0));
    assert.equal(payee.core.channel(id).leaving, true);
    const { kind, data } = only(left.outputs, "submit");
    const { name, args } = call(data);
    assert.deepEqual([kind, name], ["challenge", "challenge"]);
    const [, proof, candidate] = args;
    assert.deepEqual([proof.length, proof[0].sigs.length, candidate.sigs.length], [1, 2, 1]);
    // baseTurn + (serial << 8)
    assert.equal(candidate.variablePart.turnNum, 1n + (1n << 8n));
    assert.deepEqual(
      candidate.variablePart.outcome[0].allocations.map(({ amount }) => amount),
      [5n, TERMS.deposit - 5n],
    );
  });

  it("give the same outputs for the same inputs", () => {
    const life = () => {
      fresh();
      const id = openBetween(payer, payee);
      for (let at = 0; at < 5; at++) {
        const { outputs } = payer.step((core) => core.pay(id, 7n, { memo: MEMO }, 0, T0 + at));
        payee.step((core) => core.payment(only(outputs, "payment").bytes, T0 + at));
      }
      exchange(payer, payee, payer.step((core) => core.closeChannel(id, T0 + 9)).outputs, T0 + 9);
      return [payer.outputs, payee.outputs];
    };
    const [first, second] = [life(), life()];
    assert.ok(first[0].length > 20);
    assert.deepEqual(first, second);
  });

  it("draw a new nonce for every channel", () => {
    fresh();
    const terms = openTerms(payee, { nonce: undefined });
    const ids = new Set(Array.from({ length: 100 }, () => payer.step((core) => core.openChannel(terms, T0)).result));
    assert.equal(ids.size, 100);
  });

  it("go on from their records", () => {
    fresh();
    const id = openBetween(payer, payee);
    payer.step((core) => core.pay(id, 40n, { memo: MEMO }, 0, T0));
    const again = new Party(1);
    again.step((core) => core.loaded([...payer.records.values()], T0));
    assert.deepEqual(again.core.channels(), payer.core.channels());
    again.records = new Map(payer.records);
    const { outputs } = again.step((core) => core.pay(id, 2n, { memo: MEMO }, 0, T0));
    const { serial, cumulativeAmount } = only(outputs, "payment");
    assert.deepEqual([serial, cumulativeAmount], [2, 42n]);
  });

  it("sign quotes that ethers hashes alike and the other side accepts until they expire", () => {
    fresh();
    const terms = {
      contentRoot: `0x${"c0".repeat(32)}`,
      length: 1_000_001,
      chunkSize: 262_144,
      chunks: 4,
      unit: "chunk",
      units: 4,
      credit: 0n,
      price: 2n ** 100n,
      asset: account(0xee),
      challengeDuration: HOUR,
      confirmations: 3,
      expiresAt: T0 + 100,
      hubs: `0x${"44".repeat(32)}`,
    };
    const bytes = payee.core.signQuote(terms);
    const quote = payer.core.readQuote(bytes, T0);
    const { hash, total, ...rest } = quote;
    assert.deepEqual(rest, { ...terms, payee: payee.core.address(), payeeDestination: account(2) });
    assert.equal(total, 4n * terms.price);
    const payeeDestination = `0x${"00".repeat(12)}${account(2).slice(2)}`;
    assert.equal(hash, quoteHash({ ...terms, unit: 0, payee: payee.core.address(), payeeDestination }));
    for (const [number, unit, units] of [
      [1, "byte", 1_000_001],
      [2, "second", 7_200],
    ]) {
      const other = { ...terms, unit, units, credit: 77n };
      const read = payer.core.readQuote(payee.core.signQuote(other), T0);
      assert.deepEqual([read.unit, read.units, read.credit], [unit, units, 77n]);
      assert.equal(read.hash, quoteHash({ ...other, unit: number, payee: payee.core.address(), payeeDestination }));
    }
    for (const wrong of [{ chunks: 5 }, { units: 5 }, { unit: "byte" }, { chunkSize: 0, units: 5 }, { units: 0 }])
      assert.throws(() => payee.core.signQuote({ ...terms, ...wrong }), coded("QUOTE_IMPOSSIBLE"));
    for (const unit of ["", "minute", 0, undefined])
      assert.throws(() => payee.core.signQuote({ ...terms, unit }), coded("INVALID_ARGUMENT", "unit"));
    assert.throws(() => payer.core.readQuote(bytes, T0 + 100), coded("QUOTE_EXPIRED"));
    const elsewhere = new Party(1, { ...CONTRACTS, chainId: 1 });
    assert.throws(() => elsewhere.core.readQuote(bytes, T0), coded("QUOTE_SIGNATURE"));
  });
});
