// Streams settled through the adjudicator as published: what each side gets in the end, to the base unit, when they
// agree, when one is silent, and when one lies (docs/protocol.md, Closing and leaving, Vouchers).

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { ZeroAddress } from "ethers";

import {
  Stream,
  assertReverts,
  challengerSignature,
  encodeGuarantee,
  encodeOutcome,
  freshAddress,
  highS,
  key,
  refusedWith,
  signed,
  startEnv,
  stateHash,
} from "./harness.mjs";

const DEPOSIT = 1_000_000n;

let env;
let funder;
before(async () => {
  env = await startEnv();
  funder = env.accounts[1];
  await env.fundTokens(funder, 100n * DEPOSIT);
});
after(() => env?.stop());

let count = 0;

/** A stream funded with DEPOSIT by the payer, paying out to accounts that have never held anything. */
async function open(asset) {
  const name = `settlement ${++count}`;
  const stream = new Stream(env, {
    asset,
    destinations: [freshAddress(`${name} payer`), freshAddress(`${name} payee`)],
  });
  await stream.deposit(DEPOSIT, { from: funder });
  assert.equal(await env.holdings(asset, stream.id), DEPOSIT);
  return stream;
}

async function assertPaidOut(stream, payer, payee, left = 0n) {
  const { asset, destinations, id } = stream;
  assert.equal(await env.balance(asset, destinations[0]), payer);
  assert.equal(await env.balance(asset, destinations[1]), payee);
  assert.equal(await env.holdings(asset, id), left);
}

const turnNumRecord = async (stream) => (await env.call(env.adjudicator, "unpackStatus", [stream.id]))[0];

for (const asset of ["native", "ERC-20"]) {
  describe(`a stream of ${asset}`, () => {
    let address;
    before(() => {
      address = asset === "native" ? ZeroAddress : env.addresses.token;
    });

    it("closes in one transaction when both sign the end", async () => {
      const stream = await open(address);
      await stream.conclude(stream.state(2, DEPOSIT - 123_457n, 123_457n, { isFinal: true }));
      await assertPaidOut(stream, DEPOSIT - 123_457n, 123_457n);
    });

    it("is redeemed by the payee alone, with 255 ticks", async () => {
      const stream = await open(address);
      const base = stream.state(1, DEPOSIT, 0n);
      const redemption = stream.redemption(
        stream.claim({ serial: 4, cumulativeAmount: 5_000n, tickPrice: 7n, ticks: 255 }),
        [DEPOSIT, 0n],
      );
      await stream.challengeWithClaim(base, redemption);
      await assert.rejects(stream.payOut(redemption), refusedWith("Channel not finalized."));
      await env.passChallenge();
      await stream.payOut(redemption);
      await assertPaidOut(stream, DEPOSIT - 5_000n - 7n * 255n, 5_000n + 7n * 255n);
    });

    it("pays the payee when the payer closes with the base alone", async () => {
      const stream = await open(address);
      const base = stream.state(1, DEPOSIT, 0n);
      await stream.challengeWithBase(base);
      const redemption = stream.redemption(stream.claim({ cumulativeAmount: 640n, tickPrice: 1n, ticks: 3 }), [
        DEPOSIT,
        0n,
      ]);
      await stream.challengeWithClaim(base, redemption);
      await env.passChallenge();
      await assert.rejects(stream.payOut(base), refusedWith("incorrect fingerprint"));
      await stream.payOut(redemption);
      await assertPaidOut(stream, DEPOSIT - 643n, 643n);
    });

    it("lets a better claim answer a worse one, and never the other way round", async () => {
      const stream = await open(address);
      const base = stream.state(1, DEPOSIT, 0n);
      const claims = [
        { serial: 1, cumulativeAmount: 0n, tickPrice: 10n, ticks: 4 },
        { serial: 1, cumulativeAmount: 0n, tickPrice: 10n, ticks: 5 },
        { serial: 1, cumulativeAmount: 0n, tickPrice: 10n, ticks: 255 },
        { serial: 2, cumulativeAmount: 2_550n, tickPrice: 10n, ticks: 0 }, // one serial more beats every tick before it
        { serial: 900, cumulativeAmount: 9_000n, tickPrice: 10n, ticks: 1 },
      ].map((options) => stream.redemption(stream.claim(options), [DEPOSIT, 0n]));
      for (const [index, redemption] of claims.entries()) {
        await stream.challengeWithClaim(base, redemption);
        assert.equal(await turnNumRecord(stream), BigInt(redemption.turnNum));
        for (const older of [base, ...claims.slice(0, index + 1)]) {
          const again = older === base ? stream.challengeWithBase(base) : stream.challengeWithClaim(base, older);
          await assert.rejects(again, refusedWith("turnNumRecord not increased."));
        }
      }
      await env.passChallenge();
      await assert.rejects(
        stream.challengeWithClaim(
          base,
          stream.redemption(stream.claim({ serial: 901, cumulativeAmount: 9_999n }), [DEPOSIT, 0n]),
        ),
        refusedWith("Channel finalized."),
      );
      await stream.payOut(claims.at(-1));
      await assertPaidOut(stream, DEPOSIT - 9_010n, 9_010n);
    });

    it("is folded into a new base, on which old vouchers are worth nothing", async () => {
      const stream = await open(address);
      const base = stream.state(1, DEPOSIT, 0n);
      const last = stream.claim({ serial: 5, cumulativeAmount: 300n, tickPrice: 1n, ticks: 100 });
      // top up while folding: what was earned is in the new base, what was added is the payer's
      await stream.deposit(50n, { expectedHeld: DEPOSIT, from: funder });
      const foldTurn = 1 + (5 + 1) * 256;
      const amounts = [DEPOSIT - 400n + 50n, 400n];
      const fold = stream.state(foldTurn, ...amounts);
      assert.ok(foldTurn > 1 + 5 * 256 + 255, "the fold follows every claim on the old base");

      await assertReverts(stream.challengeWithClaim(fold, stream.redemption(last, amounts)), "WrongBaseTurn", [
        BigInt(foldTurn),
        1n,
      ]);
      await stream.challengeWithClaim(base, stream.redemption(last, [DEPOSIT, 0n])); // a stale close, answered by the fold
      await stream.challengeWithBase(fold, stream.payer);
      await assert.rejects(
        stream.challengeWithClaim(base, stream.redemption(last, [DEPOSIT, 0n])),
        refusedWith("turnNumRecord not increased."),
      );

      const redemption = stream.redemption(
        stream.claim({ baseTurn: foldTurn, serial: 1, cumulativeAmount: 25n }),
        amounts,
      );
      await stream.challengeWithClaim(fold, redemption);
      await env.passChallenge();
      await stream.payOut(redemption);
      await assertPaidOut(stream, DEPOSIT + 50n - 425n, 425n);
    });

    describe("raised before the deposit for it", () => {
      const ADDED = 5_000n;
      const RAISED = [DEPOSIT - 300n + ADDED, 300n];
      const FOLD_TURN = 1 + 2 * 256;
      let stream, base, earned, raised;
      beforeEach(async () => {
        stream = await open(address);
        base = stream.state(1, DEPOSIT, 0n);
        earned = stream.redemption(stream.claim({ cumulativeAmount: 300n }), [DEPOSIT, 0n]);
        raised = stream.state(FOLD_TURN, ...RAISED);
      });
      const deposit = () => stream.deposit(ADDED, { expectedHeld: DEPOSIT, from: funder });

      for (const more of [25n, DEPOSIT - 300n])
        it(`pays the payee ${300n + more} in full when the deposit never comes, and returns it when it comes late`, async () => {
          const claim = stream.claim({ baseTurn: FOLD_TURN, cumulativeAmount: more });
          const redemption = stream.redemption(claim, RAISED);
          await stream.challengeWithClaim(raised, redemption);
          await env.passChallenge();
          await stream.payOut(redemption);
          await assertPaidOut(stream, DEPOSIT - 300n - more, 300n + more);

          await stream.deposit(ADDED, { from: funder });
          const args = [stream.id, stream.outcome(ADDED, 0n), stateHash(stream.fixed, redemption)];
          await env.send(env.adjudicator, "transferAllAssets", args);
          await assertPaidOut(stream, DEPOSIT - 300n - more + ADDED, 300n + more);
        });

      it("returns what was added when the payee closes on the old base and the payer answers", async () => {
        await deposit();
        await stream.challengeWithClaim(base, earned);
        await stream.challengeWithBase(raised);
        await env.passChallenge();
        await assert.rejects(stream.payOut(earned), refusedWith("incorrect fingerprint"));
        await stream.payOut(raised);
        await assertPaidOut(stream, ...RAISED);
      });

      it("returns what was added while the old base was already being closed on", async () => {
        await stream.challengeWithClaim(base, earned);
        await deposit();
        await stream.challengeWithBase(raised);
        await env.passChallenge();
        await stream.payOut(raised);
        await assertPaidOut(stream, ...RAISED);
      });

      it("takes no deposit once the old base was paid out", async () => {
        await stream.challengeWithClaim(base, earned);
        await env.passChallenge();
        await stream.payOut(earned);
        await assert.rejects(deposit(), refusedWith("held != expectedHeld"));
        await assertPaidOut(stream, DEPOSIT - 300n, 300n);
      });

      it("pays the payee twice out of what was added when the payer does not answer", async () => {
        await deposit();
        for (const [payer, payee, left] of [
          [DEPOSIT - 300n, 300n, ADDED],
          [DEPOSIT - 300n + (ADDED - 300n), 600n, 0n], // the status was deleted: the same claim is new again
        ]) {
          await stream.challengeWithClaim(base, earned);
          await env.passChallenge();
          await stream.payOut(earned);
          await assertPaidOut(stream, payer, payee, left);
        }
      });
    });

    it("can be left by the payer with the redemption that a silent payee checkpointed", async () => {
      const stream = await open(address);
      const base = stream.state(1, DEPOSIT, 0n);
      const claim = stream.claim({ serial: 3, cumulativeAmount: 700n, tickPrice: 2n, ticks: 31 });
      const redemption = stream.redemption(claim, [DEPOSIT, 0n]);
      const { transactionHash } = await stream.checkpointClaim(base, redemption);
      await assert.rejects(stream.challengeWithBase(base), refusedWith("turnNumRecord decreased."));

      const { input } = await env.rpc("eth_getTransactionByHash", [transactionHash]);
      const [, proof, candidate] = env.adjudicator.interface.decodeFunctionData("checkpoint", input).toArray(true);
      const challengerSig = challengerSignature(stream.fixed, redemption, stream.payer);
      await env.send(env.adjudicator, "challenge", [stream.fixed, proof, candidate, challengerSig]);
      await env.passChallenge();
      await stream.payOut(redemption);
      await assertPaidOut(stream, DEPOSIT - 762n, 762n);
    });

    it("is not left by the payer with a claim of its own, older, equal or made up", async () => {
      const stream = await open(address);
      const base = stream.state(1, DEPOSIT, 0n);
      const best = stream.redemption(stream.claim({ serial: 5, cumulativeAmount: 900_000n }), [DEPOSIT, 0n]);
      const proof = [signed(stream.fixed, base, ...stream.everyone)];
      for (const options of [
        { serial: 4, cumulativeAmount: 800_000n },
        { serial: 5, cumulativeAmount: 900_000n },
        { serial: 5, cumulativeAmount: 0n }, // signed after the fact: the turn of the best claim, worth nothing
        { serial: 2 ** 32 - 1, cumulativeAmount: 0n }, // a turn that no claim of the payee reaches
      ]) {
        const claimed = stream.redemption(stream.claim(options), [DEPOSIT, 0n]);
        const candidate = signed(stream.fixed, claimed, stream.payer);
        await assertReverts(stream.challenge(proof, candidate, stream.payer), "NotSignedByPayee", [1n]);
        await assertReverts(stream.checkpoint(proof, candidate), "NotSignedByPayee", [1n]);
      }
      await stream.challengeWithBase(base);
      await stream.challengeWithClaim(base, best);
      await env.passChallenge();
      await stream.payOut(best);
      await assertPaidOut(stream, DEPOSIT - 900_000n, 900_000n);
    });
  });
}

describe("the adjudicator with a claim", () => {
  it("clears a challenge by checkpoint, and goes on from there", async () => {
    const stream = await open(ZeroAddress);
    const base = stream.state(1, DEPOSIT, 0n);
    await stream.challengeWithBase(base);
    const redemption = stream.redemption(stream.claim({ serial: 1, cumulativeAmount: 10n, tickPrice: 1n, ticks: 9 }), [
      DEPOSIT,
      0n,
    ]);
    const receipt = await stream.checkpointClaim(base, redemption);
    const [cleared] = receipt.logs.map((log) => env.adjudicator.interface.parseLog(log));
    assert.deepEqual([cleared.name, ...cleared.args], ["ChallengeCleared", stream.id, BigInt(redemption.turnNum)]);
    const [turn, finalizesAt] = await env.call(env.adjudicator, "unpackStatus", [stream.id]);
    assert.deepEqual([turn, finalizesAt], [BigInt(redemption.turnNum), 0n]);
    await assert.rejects(stream.challengeWithBase(base), refusedWith("turnNumRecord decreased."));
    await stream.conclude(stream.state(2, DEPOSIT - 19n, 19n, { isFinal: true }));
    await assertPaidOut(stream, DEPOSIT - 19n, 19n);
  });

  it("passes the errors of the stream through, and changes nothing", async () => {
    const stream = await open(ZeroAddress);
    const base = stream.state(1, DEPOSIT, 0n);
    const good = () => stream.claim({ serial: 2, cumulativeAmount: 10n, tickPrice: 1n, ticks: 9 });
    const withClaim = (claim) => stream.challengeWithClaim(base, stream.redemption(claim, [DEPOSIT, 0n]));

    const forged = { ...good(), signature: highS(good().signature) };
    await assertReverts(withClaim(forged), "InvalidVoucherSignature");
    for (const v of [0, 1])
      await assertReverts(withClaim({ ...good(), signature: { ...good().signature, v } }), "InvalidVoucherSignature");

    const other = await open(ZeroAddress);
    const foreign = other.claim({ serial: 2, cumulativeAmount: 10n });
    await assertReverts(withClaim(foreign), "WrongChannel", [stream.id, other.id]);

    const unproved = signed(stream.fixed, stream.redemption(good(), [DEPOSIT, 0n]), stream.payee);
    await assertReverts(stream.challenge([], unproved, stream.payee), "NotUnanimous", [2n]);
    const oneSided = signed(stream.fixed, base, stream.payee);
    await assertReverts(stream.challenge([oneSided], unproved, stream.payee), "BaseNotUnanimous", [2n]);
    const byPayer = signed(stream.fixed, unproved.variablePart, stream.payer);
    await assertReverts(
      stream.challenge([signed(stream.fixed, base, ...stream.everyone)], byPayer, stream.payer),
      "NotSignedByPayee",
      [1n],
    );

    assert.equal(BigInt(await env.call(env.adjudicator, "statusOf", [stream.id])), 0n);
  });

  it("is not misled by a voucher for another chain or another deployment", async () => {
    const stream = await open(ZeroAddress);
    const base = stream.state(1, DEPOSIT, 0n);
    for (const domain of [{ chainId: 1 }, { verifyingContract: env.addresses.consensusApp }]) {
      const redemption = stream.redemption(stream.claim({ cumulativeAmount: 10n, domain }), [DEPOSIT, 0n]);
      await assert.rejects(
        stream.challengeWithClaim(base, redemption),
        ({ error }) => error.name === "WrongVoucherSigner",
      );
    }
  });

  it("refuses to conclude on a redemption: the payer has not signed it", async () => {
    const stream = await open(ZeroAddress);
    const claim = stream.claim({ cumulativeAmount: 10n });
    const final = { ...stream.redemption(claim, [DEPOSIT, 0n]), isFinal: true };
    const candidate = signed(stream.fixed, final, stream.payee);
    await assert.rejects(env.send(env.adjudicator, "conclude", [stream.fixed, candidate]), refusedWith("!unanimous"));
    const proof = [signed(stream.fixed, stream.state(1, DEPOSIT, 0n), ...stream.everyone)];
    await assertReverts(stream.challenge(proof, candidate, stream.payee), "RedemptionIsFinal");
  });

  it("pays no more than what the channel holds when a base promises more", async () => {
    const stream = await open(ZeroAddress);
    const base = stream.state(1, 3n * DEPOSIT, 0n); // signed by both, but only a third was deposited
    const redemption = stream.redemption(stream.claim({ cumulativeAmount: DEPOSIT + 10n }), [3n * DEPOSIT, 0n]);
    await stream.challengeWithClaim(base, redemption);
    await env.passChallenge();
    await stream.payOut(redemption);
    // the payee comes first, but must check the holdings before it accepts vouchers
    await assertPaidOut(stream, 0n, DEPOSIT);
  });

  it("takes a claim from a challenger who is a participant only", async () => {
    const stream = await open(ZeroAddress);
    const base = stream.state(1, DEPOSIT, 0n);
    const redemption = stream.redemption(stream.claim({ cumulativeAmount: 10n }), [DEPOSIT, 0n]);
    await assert.rejects(
      stream.challengeWithClaim(base, redemption, key("stranger")),
      refusedWith("Challenger is not a participant"),
    );
    await stream.challengeWithClaim(base, redemption, stream.payer); // the payer may publish it too: it is the same claim
  });
});

describe("a stream through a hub", () => {
  it("is left by the payee alone: the ledger pays it exactly what it earned", async () => {
    const hub = key("hub");
    const payee = key("payee");
    const ledgerDestinations = [freshAddress("ledger hub"), freshAddress("ledger payee")];
    const virtual = new Stream(env, { hubs: [hub], payee, destinations: ledgerDestinations });
    const base = virtual.state(1, 1_000n, 0n);
    const redemption = virtual.redemption(
      virtual.claim({ serial: 2, cumulativeAmount: 400n, tickPrice: 1n, ticks: 255 }),
      [1_000n, 0n],
    );
    await virtual.challengeWithClaim(base, redemption);

    // hub and payee: 5000 and 700 of their own, 1000 guaranteed to the stream (allocation type 2, metadata left and right)
    const ledger = new Stream(env, {
      payer: hub,
      payee,
      destinations: ledgerDestinations,
      appDefinition: env.addresses.consensusApp,
    });
    await ledger.deposit(6_700n, { from: funder });
    const ledgerState = ledger.state(9, 5_000n, 700n);
    const [left, right] = ledgerState.outcome[0].allocations.map(({ destination }) => destination);
    ledgerState.outcome[0].allocations.push({
      destination: virtual.id,
      amount: 1_000n,
      allocationType: 2,
      metadata: encodeGuarantee(left, right),
    });
    await ledger.challengeWithBase(ledgerState, payee);

    await env.passChallenge();
    const reclaim = {
      sourceChannelId: ledger.id,
      sourceStateHash: stateHash(ledger.fixed, ledgerState),
      sourceOutcomeBytes: encodeOutcome(ledgerState.outcome),
      sourceAssetIndex: 0,
      indexOfTargetInSource: 2,
      targetStateHash: stateHash(virtual.fixed, redemption),
      targetOutcomeBytes: encodeOutcome(redemption.outcome),
      targetAssetIndex: 0,
    };
    await env.send(env.adjudicator, "reclaim", [reclaim]);
    const reclaimed = ledger.outcome(5_000n + 1_000n - 655n, 700n + 655n);
    await env.send(env.adjudicator, "transferAllAssets", [ledger.id, reclaimed, reclaim.sourceStateHash]);
    await assertPaidOut(ledger, 5_345n, 1_355n);
  });
});
