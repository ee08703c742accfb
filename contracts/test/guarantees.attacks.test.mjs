// What goes wrong with other layouts than ours, and does not with ours: each attack succeeds first, on the adjudicator as
// published, and then fails (docs/adr/0019-guarantees-first.md).

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ZeroAddress, ZeroHash } from "ethers";

import {
  Stream,
  assertReverts,
  challengerSignature,
  channelId,
  encodeGuarantee,
  key,
  outcome,
  pad,
  refusedSilently,
  refusedWith,
  signed,
  startEnv,
  state,
  stateHash,
} from "./harness.mjs";
import {
  Final,
  GUARANTEE,
  GUARANTEES_LAST,
  Ledger,
  OWN,
  Route,
  SIMPLE,
  TOTAL,
  VirtualStream,
  WITHDRAW_HELPER,
} from "./ledgers.mjs";

const EARNED = 655n;

const isGuarantee = refusedWith("cannot transfer a guarantee");
const doesNotAddUp = refusedWith("totalReclaimed!=guarantee.amount");

let env;
let stranger;
before(async () => {
  env = await startEnv();
  stranger = env.accounts[8];
  await env.fundTokens(env.accounts[1], 10_000_000n);
});
after(() => env?.stop());

/** Every choice of indices below `length`, rising as the adjudicator wants them, and none. */
const choices = (length) =>
  Array.from({ length: 2 ** length }, (_, bits) => [...Array(length).keys()].filter((i) => (bits >> i) & 1));

const balances = (asset, destinations) => Promise.all(destinations.map((account) => env.balance(asset, account)));

for (const asset of ["native", "ERC-20"]) {
  describe(`guarantees of ${asset}`, () => {
    let address;
    before(() => {
      address = asset === "native" ? ZeroAddress : env.addresses.token;
    });
    const open = (options) => new Route(env, { asset: address, ...options }).fund();

    it("behind the shares: a stranger moves the money to the stream, its payee is paid twice and the hub pays", async () => {
      const route = await open({ layout: GUARANTEES_LAST, allocationType: SIMPLE });
      const stream = await route.redeem(EARNED);
      const [upper, lower] = [await route.close(0), await route.close(1)];

      await upper.transfer([2], { from: stranger });
      assert.equal(await env.holdings(address, route.stream.id), TOTAL);
      upper.allocations[2].amount = 0n;
      await assert.rejects(upper.reclaim(stream), doesNotAddUp);
      await upper.transfer([0, 1]);
      await lower.reclaim(stream);
      await lower.payOut();
      await stream.payOut();

      const [[, hubAsPayee], [hubAsPayer, payee]] = await route.paid();
      assert.equal(hubAsPayee + hubAsPayer, OWN[1] + OWN[0] + TOTAL - EARNED); // EARNED less than it had
      const [direct, alsoPaid] = await balances(address, route.stream.destinations);
      assert.equal(payee + alsoPaid, OWN[1] + 2n * EARNED);
      assert.equal(direct, TOTAL - EARNED); // the payer's, past its ledger
    });

    it("of a stream that was paid out: the stream is open again, for whoever gains by an older state of it", async () => {
      const route = await open({ allocationType: SIMPLE });
      const stream = await route.redeem(EARNED);
      await route.stream.deposit(TOTAL); // enough to pay everything: no outcome is kept
      await stream.payOut({ from: stranger });
      const ledger = await route.close(1);
      await assert.rejects(ledger.reclaim(stream), refusedWith("Channel not finalized."));

      const older = await Final.challenged(route.stream, route.base, route.stream.payer);
      await ledger.reclaim(older);
      await ledger.payOut();
      assert.deepEqual((await route.paid())[1], route.owed(0n)[1]);
    });

    it("behind the shares, for a stream that cannot be paid out: what a stranger moves is there for ever", async () => {
      const route = await open({ layout: GUARANTEES_LAST });
      const stream = await route.redeem(EARNED);
      const upper = await route.close(0);
      await upper.transfer([2], { from: stranger });
      upper.allocations[2].amount = 0n;
      await assert.rejects(upper.reclaim(stream), doesNotAddUp);
      for (const indices of [[0], [1], [0, 1]]) await assert.rejects(stream.transfer(indices), isGuarantee);
      await assert.rejects(stream.payOut(), isGuarantee);
      assert.equal(await env.holdings(address, route.stream.id), TOTAL);
    });

    it("in front of the shares: nobody moves anything before all are reclaimed", async () => {
      const route = await open();
      const other = new VirtualStream(env, { asset: address, hubs: [key("hub 0")] });
      const [ledger] = route.ledgers;
      const guarantees = [route.stream, other].map((stream) => ledger.guarantee(stream, TOTAL / 2n));
      const base = route.stream.state(1, TOTAL / 2n, 0n);
      const closed = await Final.challenged(ledger, ledger.guaranteeing(9, guarantees, OWN));
      const finals = [await Final.challenged(route.stream, base), await Final.challenged(other, base)];
      for (const final of finals) {
        for (const indices of choices(closed.allocations.length))
          await assert.rejects(closed.transfer(indices, { from: stranger }), isGuarantee, `${indices}`);
        await assert.rejects(closed.payOut(), isGuarantee);
        await closed.reclaim(final);
      }
      for (const { id } of [route.stream, other]) assert.equal(await env.holdings(address, id), 0n);
      await closed.payOut();
      assert.deepEqual((await route.paid())[0], route.owed(0n)[0]);
    });

    it("of a stream that can be paid out: one unit of a stranger locks every ledger of the route for ever", async () => {
      for (const pay of [
        (stream) => stream.payOut({ from: stranger }),
        (stream) => stream.transfer([0], { from: stranger }),
      ]) {
        const route = await open({ hubs: 2, allocationType: SIMPLE });
        const stream = await route.redeem(EARNED);
        await route.stream.deposit(1n, { from: env.accounts[1] });
        await pay(stream);
        stream.allocations[0].amount -= 1n; // what the adjudicator has now
        for (const index of [0, 1, 2]) {
          const ledger = await route.close(index);
          await assert.rejects(ledger.reclaim(stream), doesNotAddUp);
          await assert.rejects(ledger.payOut(), isGuarantee);
          assert.equal(await env.holdings(address, ledger.id), route.funds);
        }
      }
    });

    it("of a stream that cannot be paid out: what a stranger deposits for it stays, and nothing else does", async () => {
      const route = await open({ hubs: 2 });
      const stream = await route.redeem(EARNED);
      await route.stream.deposit(1n, { from: env.accounts[1] });
      for (const indices of choices(2)) await assert.rejects(stream.transfer(indices, { from: stranger }), isGuarantee);
      await assert.rejects(stream.payOut({ from: stranger }), isGuarantee);
      for (const index of [0, 1, 2]) {
        const ledger = await route.close(index);
        await ledger.reclaim(stream);
        await ledger.payOut();
      }
      assert.deepEqual(await route.paid(), route.owed(EARNED));
    });

    it("of a stream with metadata: who chose a destination takes the stream itself back, and locks every ledger", async () => {
      for (const ours of [false, true]) {
        const route = await open();
        const { stream } = route;
        // a channel of the payee's alone, as the destination of what it earns
        const own = new Ledger(env, { payer: key("payee"), payee: key("payee again"), asset: address });
        const [, payer] = stream.destinations.map(pad).toReversed();
        const withOwn = (of) => {
          const [payee] = of.outcome[0].allocations;
          payee.destination = own.id;
          if (!ours) payee.metadata = encodeGuarantee(payer, payer);
          return of;
        };
        const closed = await Final.redeemed(stream, withOwn(route.base), withOwn(route.redemption(EARNED)));
        const decoy = await Final.challenged(own, own.state(1, EARNED, 0n));
        const ledger = await route.close(1);
        if (ours) {
          await assert.rejects(closed.reclaim(decoy), refusedSilently); // no metadata: nothing to decode
          await ledger.reclaim(closed);
          await ledger.payOut();
          assert.deepEqual((await route.paid())[1], route.owed(EARNED)[1]);
        } else {
          await closed.reclaim(decoy);
          assert.equal(closed.allocations.length, 1);
          const reclaim = env.send(env.adjudicator, "reclaim", [ledger.reclaimArgs(closed)]);
          await assertReverts(reclaim, "Panic", [0x32n]);
          await assert.rejects(ledger.payOut(), isGuarantee);
        }
      }
    });
  });
}

describe("transferring an allocation that is not there", () => {
  it("changes nothing, in a ledger and in a stream", async () => {
    const route = await new Route(env).fund();
    const stream = await route.redeem(EARNED);
    const ledger = await route.close(0);
    await route.stream.deposit(1n);
    for (const channel of [stream, ledger]) {
      const before = await env.call(env.adjudicator, "statusOf", [channel.id]);
      const held = await env.holdings(ZeroAddress, channel.id);
      await channel.transfer([channel.allocations.length], { from: stranger });
      assert.equal(await env.call(env.adjudicator, "statusOf", [channel.id]), before);
      assert.equal(await env.holdings(ZeroAddress, channel.id), held);
    }
    await ledger.reclaim(stream);
    await ledger.payOut();
    assert.deepEqual((await route.paid())[0], route.owed(EARNED)[0]);
  });
});

describe("a guarantee that its stream does not fit", () => {
  it("is never reclaimed, and locks its ledger: amounts and sides are checked before a ledger is signed", async () => {
    const route = await new Route(env).fund();
    const stream = await route.redeem(EARNED);
    const [ledger] = route.ledgers;
    const right = ledger.guarantee(route.stream, TOTAL);
    const [payer, payee] = ledger.destinations.map(pad);
    const elsewhere = pad(stranger);
    for (const [change, reason] of [
      [{ amount: TOTAL + 1n }, "totalReclaimed!=guarantee.amount"],
      [{ amount: TOTAL - 1n }, "totalReclaimed!=guarantee.amount"],
      [{ metadata: encodeGuarantee(elsewhere, payer) }, "could not find left"],
      [{ metadata: encodeGuarantee(payee, elsewhere) }, "could not find right"],
    ]) {
      const again = new Ledger(env, { payer: ledger.payer, payee: ledger.payee, destinations: ledger.destinations });
      const closed = await Final.challenged(again, again.guaranteeing(1, [{ ...right, ...change }], OWN));
      await assert.rejects(closed.reclaim(stream), refusedWith(reason));
      await assert.rejects(closed.payOut(), isGuarantee);
    }
    const swapped = await Final.challenged(
      ledger,
      ledger.guaranteeing(9, [{ ...right, metadata: encodeGuarantee(payer, payee) }], OWN),
    );
    await swapped.reclaim(stream); // fits, and pays the wrong way round
    await swapped.payOut();
    assert.deepEqual((await route.paid())[0], [OWN[0] + EARNED, OWN[1] + TOTAL - EARNED, 0n]);
  });
});

// What other implementations on the same contracts got wrong.

describe("known defects of others", () => {
  it("a guarantee is of type 2: one of type 1 cannot be reclaimed and is paid out past the ledger", async () => {
    const route = await new Route(env).fund();
    const stream = await route.redeem(EARNED);
    const close = async (allocationType) => {
      const ledger = new Ledger(env, {
        payer: key("payer"),
        payee: key("hub 0"),
        destinations: route.ledgers[0].destinations,
      });
      await ledger.deposit(route.funds);
      const guarantee = ledger.guarantee(route.stream, TOTAL, { allocationType });
      return Final.challenged(ledger, ledger.guaranteeing(9, [guarantee], OWN));
    };
    const wrong = await close(WITHDRAW_HELPER);
    await assert.rejects(wrong.reclaim(stream), refusedWith("not a guarantee allocation"));
    await wrong.payOut({ from: stranger });
    assert.equal(await env.holdings(ZeroAddress, route.stream.id), TOTAL);

    const right = await close(GUARANTEE);
    await assert.rejects(right.payOut({ from: stranger }), isGuarantee);
    await right.reclaim(stream);
  });

  it("a stream has StreamApp for its app: without one no silent party's stream becomes final", async () => {
    const none = new VirtualStream(env, { hubs: [key("hub 0")], appDefinition: ZeroAddress });
    const ours = new VirtualStream(env, { hubs: [key("hub 0")] });
    const challenges = (stream) => {
      const base = stream.state(1, TOTAL, 0n);
      const redemption = stream.redemption(stream.claim({ cumulativeAmount: EARNED }), [TOTAL, 0n]);
      return [() => stream.challengeWithBase(base), () => stream.challengeWithClaim(base, redemption)];
    };
    for (const challenge of challenges(none)) await assert.rejects(challenge(), refusedSilently);
    for (const challenge of challenges(ours)) await challenge();
  });

  it("a redemption has the payee's signature alone: a zero signature for each of the others is refused", async () => {
    const route = await new Route(env).fund();
    const { stream, base } = route;
    const redemption = route.redemption(EARNED);
    const proof = [signed(stream.fixed, base, ...stream.everyone)];
    const alone = signed(stream.fixed, redemption, stream.payee);
    const zero = { v: 0, r: ZeroHash, s: ZeroHash };
    await assert.rejects(
      stream.challenge(proof, { ...alone, sigs: [zero, zero, ...alone.sigs] }, stream.payee),
      refusedWith("Invalid signature"),
    );
    await stream.challenge(proof, alone, stream.payee);
  });

  it("a challenge can be answered: with a duration of 0 it is over at once, and our states are of another channel", async () => {
    const stale = (ledger) => ledger.guaranteeing(3, [], [OWN[0] + TOTAL, OWN[1]]);
    const newer = (ledger) => ledger.guaranteeing(4, [], [OWN[0], OWN[1] + TOTAL]);
    const ours = new Ledger(env, { payer: key("payer"), payee: key("hub 0") });
    const hasty = new Ledger(env, { payer: key("payer"), payee: key("hub 0") });
    hasty.fixed.challengeDuration = 0;
    hasty.id = channelId(hasty.fixed);

    for (const ledger of [ours, hasty]) await ledger.challengeWithBase(stale(ledger), ledger.payer);
    const answer = (ledger) => ledger.checkpoint([], signed(ledger.fixed, newer(ledger), ...ledger.everyone));
    await assert.rejects(answer(hasty), refusedWith("Channel finalized."));
    await answer(ours);

    const fixed = { ...ours.fixed, challengeDuration: 0 };
    const candidate = signed(ours.fixed, stale(ours), ...ours.everyone);
    const challengerSig = challengerSignature(fixed, stale(ours), ours.payer);
    await assert.rejects(
      env.send(env.adjudicator, "challenge", [fixed, [], candidate, challengerSig]),
      refusedWith("!unanimous"),
    );
  });

  it("transfer looks at the type of another allocation: with the guarantees in front it refuses every choice", async () => {
    const compute = (allocations, indices) =>
      env.call(env.adjudicator, "compute_transfer_effects_and_interactions", [10_000n, allocations, indices]);
    const [{ allocations: shares }] = outcome(ZeroAddress, [stranger, 5n], [env.accounts[2], 7n]);
    const guarantee = (i) => ({
      destination: stateHash(new Stream(env).fixed, state(i, [])),
      amount: 100n,
      allocationType: GUARANTEE,
      metadata: encodeGuarantee(...shares.map(({ destination }) => destination)),
    });
    // a guarantee can be the first that is chosen, and is then taken for what the first allocation is
    for (const position of [0, 1, 2]) {
      const transferred = compute(shares.toSpliced(position, 0, guarantee(0)), [position]);
      if (position === 0) await assert.rejects(transferred, isGuarantee);
      else assert.equal((await transferred).totalPayouts, 100n);
    }
    for (const count of [1, 2, 3]) {
      const allocations = [...Array.from({ length: count }, (_, i) => guarantee(i)), ...shares];
      for (const indices of choices(allocations.length))
        await assert.rejects(compute(allocations, indices), isGuarantee, `${count}: ${indices}`);
    }
  });
});
