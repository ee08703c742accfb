// Streams that ledgers guarantee, settled through the adjudicator as published: everybody gets exactly what it is owed,
// whatever the order, the number of hubs and of guarantees, and whoever sends the calls
// (docs/adr/0019-guarantees-first.md).

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ZeroAddress } from "ethers";

import { assertReverts, challengerSignature, freshAddress, key, refusedWith, signed, startEnv } from "./harness.mjs";
import { Final, GUARANTEE, Ledger, OWN, Route, SIMPLE, TOTAL, VirtualStream, WITHDRAW_HELPER } from "./ledgers.mjs";

let env;
before(async () => {
  env = await startEnv();
  await env.fundTokens(env.accounts[1], 10_000_000n);
});
after(() => env?.stop());

const permutations = (all) =>
  all.length < 2 ? [all] : all.flatMap((first, i) => permutations(all.toSpliced(i, 1)).map((rest) => [first, ...rest]));

/** Takes back what is guaranteed to `stream` in each of the ledgers, and pays them out. */
async function settle(ledgers, stream) {
  for (const ledger of ledgers) {
    await ledger.reclaim(stream);
    await ledger.payOut();
  }
}

/** Asserts that nothing can be paid out of a final channel: not all of it, and no allocation of it. */
async function assertUntouchable(channel) {
  await assert.rejects(channel.payOut(), refusedWith("cannot transfer a guarantee"));
  for (const index of channel.allocations.keys())
    await assert.rejects(channel.transfer([index]), refusedWith("cannot transfer a guarantee"));
}

for (const asset of ["native", "ERC-20"]) {
  describe(`a guaranteed stream of ${asset}`, () => {
    let address;
    before(() => {
      address = asset === "native" ? ZeroAddress : env.addresses.token;
    });
    const open = (options) => new Route(env, { asset: address, ...options }).fund();

    for (const earned of [0n, 1n, 655n, TOTAL])
      it(`pays ${earned} of ${TOTAL} out of every ledger of the route`, async () => {
        const route = await open({ hubs: 2 });
        const stream = await route.redeem(earned);
        await settle([await route.close(0), await route.close(1), await route.close(2)], stream);
        assert.deepEqual(await route.paid(), route.owed(earned));
      });

    for (const hubs of [1, 2])
      it(`is settled in whatever order it and the ledgers of ${hubs} hub(s) become final`, async () => {
        for (const order of permutations(["stream", ...Array(hubs + 1).keys()])) {
          const route = await open({ hubs });
          let stream;
          const closed = [];
          for (const next of order) {
            if (next === "stream") stream = await route.redeem(655n);
            else closed.push(await route.close(next));
            // nothing moves before the stream is final
            for (const ledger of stream ? [] : closed) {
              const unpaid = new Final(route.stream, route.base);
              await assert.rejects(ledger.reclaim(unpaid), refusedWith("Channel not finalized."));
              await assert.rejects(ledger.payOut(), refusedWith("cannot transfer a guarantee"));
            }
            if (stream) await settle(closed.splice(0), stream);
          }
          assert.deepEqual(await route.paid(), route.owed(655n), order.join());
        }
      });

    it("is settled when all sign the end of the stream, and of the ledgers with the guarantee in them", async () => {
      const route = await open();
      const stream = await Final.concluded(
        route.stream,
        route.stream.state(9_999, TOTAL - 300n, 300n, { isFinal: true }),
      );
      const ledgers = [];
      for (const [i, ledger] of route.ledgers.entries())
        ledgers.push(await Final.concluded(ledger, { ...route.states[i], turnNum: 10, isFinal: true }));
      await settle(ledgers, stream);
      assert.deepEqual(await route.paid(), route.owed(300n));
    });

    it("cannot be concluded by concludeAndTransferAllAssets, nor a ledger that guarantees it", async () => {
      const route = await open();
      const end = route.stream.state(9_999, TOTAL, 0n, { isFinal: true });
      await assert.rejects(route.stream.conclude(end), refusedWith("cannot transfer a guarantee"));
      const ledgerEnd = { ...route.states[0], isFinal: true };
      await assert.rejects(route.ledgers[0].conclude(ledgerEnd), refusedWith("cannot transfer a guarantee"));
    });

    it("pays what the payee claims, though the payer challenged the stream with its base", async () => {
      const route = await open();
      await route.stream.challengeWithBase(route.base, route.stream.payer);
      const stream = await route.redeem(400n); // the answer
      await settle([await route.close(0), await route.close(1)], stream);
      assert.deepEqual(await route.paid(), route.owed(400n));
    });

    it("can be challenged by a hub, which then settles without payer and payee", async () => {
      const route = await open();
      const hub = key("hub 0");
      const stream = await Final.challenged(route.stream, route.base, hub);
      const ledgers = [];
      for (const [i, ledger] of route.ledgers.entries())
        ledgers.push(await Final.challenged(ledger, route.states[i], hub));
      await settle(ledgers, stream);
      assert.deepEqual(await route.paid(), route.owed(0n));
    });

    it("can be left when nobody has signed more than its prefund: all of it goes back", async () => {
      const route = await open();
      const stream = await Final.challenged(route.stream, route.stream.state(0, TOTAL, 0n), route.stream.payer);
      await settle([await route.close(0), await route.close(1)], stream);
      assert.deepEqual(await route.paid(), route.owed(0n));
    });

    it("is reclaimed once", async () => {
      const route = await open();
      const stream = await route.redeem(655n);
      const ledger = await route.close(1);
      const before = ledger.reclaimArgs(stream);
      const again = (args) => env.send(env.adjudicator, "reclaim", [args]);
      await ledger.reclaim(stream);
      await assert.rejects(again(before), refusedWith("incorrect fingerprint"));
      for (const index of [0, 1])
        await assert.rejects(again(ledger.reclaimArgs(stream, index)), refusedWith("not a guarantee allocation"));
      await assertReverts(again(ledger.reclaimArgs(stream, 2)), "Panic", [0x32n]);
      await ledger.payOut();
      await assert.rejects(again(before), refusedWith("Channel not finalized."));
      assert.deepEqual((await route.paid())[1], route.owed(655n)[1]);
    });

    it("does not let what was paid out be claimed again", async () => {
      const route = await open();
      const stream = await route.redeem(655n);
      const other = await open(); // whose money must not move
      await settle([await route.close(0), await route.close(1)], stream);
      for (const i of [0, 1]) {
        const ledger = await route.close(i); // its status was deleted: the same state is new again
        await ledger.reclaim(stream);
        await ledger.payOut();
      }
      assert.deepEqual(await route.paid(), route.owed(655n));
      for (const { id } of other.ledgers) assert.equal(await env.holdings(address, id), other.funds);
    });

    it("pays one account what both sides of a ledger are owed", async () => {
      const both = freshAddress(`both sides ${asset}`);
      const route = await open({ sides: (i) => (i === 0 ? [both, both] : undefined) });
      const stream = await route.redeem(655n);
      await settle([await route.close(0), await route.close(1)], stream);
      const all = route.funds;
      assert.deepEqual(await route.paid(), [[all, all, 0n], route.owed(655n)[1]]);
    });

    // what is paid in by a stranger, and when
    for (const moment of ["funding", "challenge", "stream final", "ledger final", "reclaim", "payout"])
      it(`owes and pays nobody anything else when a stranger deposits dust: ${moment}`, async () => {
        const route = new Route(env, { asset: address });
        const now = async (name) => {
          if (name !== moment) return;
          const { stream, ledgers } = route;
          for (const channel of [stream, ...ledgers])
            await channel.deposit(1n, { expectedHeld: await env.holdings(address, channel.id) });
        };
        await now("funding");
        await route.fund({ dust: moment === "funding" ? 1n : 0n });
        await route.stream.challengeWithBase(route.base);
        await now("challenge");
        const stream = await route.redeem(655n);
        await now("stream final");
        const ledgers = [await route.close(0), await route.close(1)];
        await now("ledger final");
        await assertUntouchable(stream);
        for (const ledger of ledgers) await ledger.reclaim(stream);
        await now("reclaim");
        for (const ledger of ledgers) await ledger.payOut();
        await now("payout");
        assert.deepEqual(await route.paid(), route.owed(655n, 1n));
        assert.equal(await env.holdings(address, route.stream.id), 1n); // for ever
      });

    describe("among several in one ledger", () => {
      const hub = key("hub 0");
      const peer = key("hub 1");
      const AMOUNTS = [100n, 2_000n, 30n];
      const EARNED = [99n, 1_234n, 30n];
      /** Three streams over the ledger of two hubs: the ledger's payer is upstream in the first and the third. */
      const streams = () =>
        [
          [key("a"), hub, peer, key("b")],
          [key("c"), peer, hub, key("d")],
          [hub, peer, key("e")],
        ].map((people, i) => {
          const [payer, payee] = [people[0], people.at(-1)];
          const stream = new VirtualStream(env, { asset: address, payer, payee, hubs: people.slice(1, -1) });
          const base = stream.state(1, AMOUNTS[i], 0n);
          const claim = stream.claim({ cumulativeAmount: EARNED[i] });
          return { stream, final: () => Final.redeemed(stream, base, stream.redemption(claim, [AMOUNTS[i], 0n])) };
        });

      it("is taken back in any order and in both directions, with one result", async () => {
        const all = streams();
        const finals = [];
        for (const { final } of all) finals.push(await final());
        for (const order of permutations([0, 1, 2])) {
          const destinations = [freshAddress(`${asset} ${order} payer`), freshAddress(`${asset} ${order} payee`)];
          const ledger = new Ledger(env, { payer: hub, payee: peer, asset: address, destinations });
          const guarantees = all.map(({ stream }, i) => ledger.guarantee(stream, AMOUNTS[i]));
          await ledger.deposit(2_130n + 50n + 7n);
          const closed = await Final.challenged(ledger, ledger.guaranteeing(4, guarantees, [50n, 7n]));
          for (const i of order) {
            await assert.rejects(closed.payOut(), refusedWith("cannot transfer a guarantee"));
            await closed.reclaim(finals[i]);
          }
          await closed.payOut();
          // of the second stream the ledger's payer gets what was earned
          assert.equal(await env.balance(address, destinations[0]), 50n + (100n - 99n) + 1_234n + 0n);
          assert.equal(await env.balance(address, destinations[1]), 7n + 99n + (2_000n - 1_234n) + 30n);
          assert.equal(await env.holdings(address, ledger.id), 0n);
        }
      });

      it("holds up the ledger's own money until the last one is final", async () => {
        const all = streams();
        const destinations = [freshAddress(`${asset} waiting payer`), freshAddress(`${asset} waiting payee`)];
        const ledger = new Ledger(env, { payer: hub, payee: peer, asset: address, destinations });
        const guarantees = all.map(({ stream }, i) => ledger.guarantee(stream, AMOUNTS[i]));
        await ledger.deposit(2_130n);
        const closed = await Final.challenged(ledger, ledger.guaranteeing(4, guarantees, [0n, 0n]));
        for (const { final } of all) {
          await assertUntouchable(closed);
          await closed.reclaim(await final());
        }
        await closed.payOut();
        assert.equal(await env.balance(address, destinations[0]), 1n + 1_234n);
        assert.equal(await env.balance(address, destinations[1]), 99n + 766n + 30n);
      });
    });

    it("covers the payee of a ledger, and what a stream brings it, before a deposit that is still to come", async () => {
      const route = new Route(env, { asset: address });
      const [ledger, index] = [route.ledgers[1], 1];
      await ledger.deposit(OWN[1] + TOTAL); // all but what is the payer's own
      const stream = await route.redeem(655n);
      const closed = await route.close(index);
      await closed.reclaim(stream);
      await closed.payOut();
      assert.deepEqual((await route.paid())[index], [TOTAL - 655n, OWN[1] + 655n, 0n]);
    });
  });
}

describe("a ledger with guarantees", () => {
  it("pays one side alone, once they are reclaimed, when the other's account takes no ether", async () => {
    const route = await new Route(env, {
      sides: (i) => (i === 1 ? [freshAddress("takes ether"), env.addresses.adjudicator] : undefined),
    }).fund();
    const stream = await route.redeem(655n);
    const ledger = await route.close(1);
    await ledger.reclaim(stream);
    await assert.rejects(ledger.payOut(), refusedWith("Could not transfer ETH"));
    await ledger.transfer([1]);
    const [, [payer, , left]] = await route.paid();
    assert.deepEqual([payer, left], [OWN[0] + TOTAL - 655n, OWN[1] + 655n]);
  });

  it("is answered with them when it is challenged with a state from before", async () => {
    const route = await new Route(env).fund();
    const [ledger] = route.ledgers;
    await ledger.challengeWithBase(ledger.state(8, OWN[0] + TOTAL, OWN[1]), ledger.payer);
    const closed = await route.close(0);
    await closed.reclaim(await route.redeem(655n));
    await closed.payOut();
    assert.deepEqual((await route.paid())[0], route.owed(655n)[0]);
  });

  it("says of a reclaim only that there was one: which, the status or the call's data tells", async () => {
    const route = await new Route(env).fund();
    const stream = await route.redeem(655n);
    const receipt = await (await route.close(0)).reclaim(stream);
    const [reclaimed, ...others] = receipt.logs.map((log) => env.adjudicator.interface.parseLog(log));
    assert.deepEqual([reclaimed.name, ...reclaimed.args, others.length], ["Reclaimed", route.ledgers[0].id, 0n, 0]);
  });
});

describe("StreamApp and a guaranteed stream", () => {
  const hubs = [key("hub 0"), key("hub 1")];
  const PAYEE = 8n;
  const ALL = 15n;
  const make = () => {
    const stream = new VirtualStream(env, { hubs });
    const base = stream.state(1, TOTAL, 0n);
    const redemption = stream.redemption(stream.claim({ cumulativeAmount: 600n, tickPrice: 1n, ticks: 55 }), [
      TOTAL,
      0n,
    ]);
    return { stream, base, redemption };
  };
  const ask = ({ stream, base, redemption }) => env.isSupported(stream, [[base, ALL]], [redemption, PAYEE]);
  const retype = ({ outcome }, types) => types.forEach((type, i) => (outcome[0].allocations[i].allocationType = type));

  it("takes its states: signed by all, and redemptions", async () => {
    const { stream, base, redemption } = make();
    for (const { allocationType } of [...base.outcome[0].allocations, ...redemption.outcome[0].allocations])
      assert.equal(allocationType, GUARANTEE);
    assert.deepEqual([...(await env.isSupported(stream, [], [base, ALL]))], [true, ""]);
    assert.deepEqual([...(await ask({ stream, base, redemption }))], [true, ""]);
  });

  for (const other of [SIMPLE, WITHDRAW_HELPER, 3, 255])
    it(`refuses a type that becomes ${other} between base and redemption, or was it before`, async () => {
      for (const changed of ["base", "redemption"])
        for (const [types, index] of [
          [[other, GUARANTEE], 0n],
          [[GUARANTEE, other], 1n],
          [[other, other], 0n],
        ]) {
          const states = make();
          retype(states[changed], types);
          await assertReverts(ask(states), "AllocationChanged", [index]);
        }
    });

  it("refuses, in a challenge too, a redemption that could be paid out", async () => {
    const { stream, base, redemption } = make();
    retype(redemption, [SIMPLE, SIMPLE]);
    const proof = [signed(stream.fixed, base, ...stream.everyone)];
    const candidate = signed(stream.fixed, redemption, stream.payee);
    const challengerSig = challengerSignature(stream.fixed, redemption, stream.payee);
    const challenge = env.send(env.adjudicator, "challenge", [stream.fixed, proof, candidate, challengerSig]);
    await assertReverts(challenge, "AllocationChanged", [0n]);
  });
});
