// What each step costs on chain, in gas, with the adjudicator as published; prints the table when done.
//
// Keys, nonces and addresses are the same at every run, so the figures are too. "Existing": both accounts that are paid
// already hold some of the asset. "Fresh": neither does ("one fresh": the payee's does not), and creating the account,
// or its token balance, is part of the price.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { ZeroAddress } from "ethers";

import { waitForReceipt } from "../dev-chain.mjs";
import { Stream, freshAddress, key, startEnv } from "./harness.mjs";
import { Final, Ledger, Route, TOTAL, VirtualStream } from "./ledgers.mjs";

const DEPOSIT = 1_000_000n;
/** Numbers of guarantees in a ledger; a wallet puts no more than the last into one. */
const GUARANTEES = [1, 8, 32, 64];
const CLAIM = { serial: 1, cumulativeAmount: 100_000n, tickPrice: 10n };

const ASSETS = ["native", "ERC-20"];
const rows = new Map();

const record = (row, asset, gas) => rows.set(row, { ...rows.get(row), [asset]: gas });
const figure = (row, asset) => rows.get(row)[asset];

let env;
before(async () => {
  env = await startEnv();
});
after(async () => {
  await env?.stop();
  console.log(table());
});

function table() {
  const line = (row, native, erc20) => `${row.padEnd(58)}${native.padStart(11)}${erc20.padStart(11)}`;
  const number = (value) => value?.toLocaleString("en-US") ?? "-";
  const lines = [...rows].map(([row, gas]) => line(row, ...ASSETS.map((asset) => number(gas[asset]))));
  return ["", line("gas", ...ASSETS), "-".repeat(80), ...lines, ""].join("\n");
}

it("deploys", async () => {
  for (const name of ["streamApp", "adjudicator"]) {
    const from = env.accounts[0];
    const hash = await env.rpc("eth_sendTransaction", [{ from, data: env[name].bytecode }]);
    record(
      `deploy ${name === "streamApp" ? "StreamApp" : "NitroAdjudicator"}`,
      "native",
      Number((await waitForReceipt(env.rpc, hash)).gasUsed),
    );
  }
  // the figure that the Nitro repository publishes for its contract: what is measured here is that contract
  assert.equal(figure("deploy NitroAdjudicator", "native"), 3_443_915);
});

for (const asset of ASSETS) {
  it(`opens, closes and redeems in ${asset}`, async () => {
    const address = asset === "native" ? ZeroAddress : env.addresses.token;
    const [, payer, payee, other] = env.accounts;
    let count = 0;
    const open = async (destinations, from = payer) => {
      const stream = new Stream(env, { asset: address, destinations });
      return { stream, deposit: await stream.deposit(DEPOSIT, { from }) };
    };
    const fresh = () => [freshAddress(`gas ${asset} ${++count}`), freshAddress(`gas ${asset} ${++count}`)];

    if (asset === "ERC-20") {
      await env.send(env.token, "mint", [payee, 1n]);
      await env.fundTokens(other, DEPOSIT);
      await env.send(env.token, "mint", [payer, 100n * DEPOSIT]);
      const approve = await env.send(env.token, "approve", [env.addresses.adjudicator, 50n * DEPOSIT], { from: payer });
      record("approve", asset, approve.gas);
    }
    await open(fresh(), other); // another channel's funds: the adjudicator is never empty in practice

    for (const [kind, destinations] of [
      ["existing", [payer, payee]],
      ["one fresh", [payer, fresh()[0]]],
      ["fresh", fresh()],
    ]) {
      const { stream, deposit } = await open(destinations);
      const close = await stream.conclude(stream.state(2, DEPOSIT - 100_000n, 100_000n, { isFinal: true }));
      record("deposit", asset, deposit.gas);
      record(`concludeAndTransferAllAssets, ${kind}`, asset, close.gas);
      record(`open + close, ${kind}`, asset, deposit.gas + close.gas);
    }

    const challenged = (await open([payer, payee])).stream;
    const base = challenged.state(1, DEPOSIT, 0n);
    const amounts = [DEPOSIT, 0n];
    const byBase = await challenged.challengeWithBase(base);
    record("challenge with a base", asset, byBase.gas);
    const answer = challenged.redemption(challenged.claim({ ...CLAIM, ticks: 255 }), amounts);
    const answered = await challenged.challengeWithClaim(base, answer);

    for (const [ticks, destinations] of [
      [0, [payer, payee]],
      [255, fresh()],
    ]) {
      const { stream } = await open(destinations);
      const redemption = stream.redemption(stream.claim({ ...CLAIM, ticks }), amounts);
      const redeemed = await stream.challengeWithClaim(stream.state(1, DEPOSIT, 0n), redemption);
      record(`challenge with a claim of ${ticks} ticks`, asset, redeemed.gas);
      await env.passChallenge();
      const paid = await stream.payOut(redemption);
      record(`transferAllAssets, ${ticks === 0 ? "existing" : "fresh"}`, asset, paid.gas);
    }
    record("challenge with a claim of 255 ticks, answering a base", asset, answered.gas);
  });
}

for (const asset of ASSETS) {
  it(`settles guaranteed streams in ${asset}`, async () => {
    const address = asset === "native" ? ZeroAddress : env.addresses.token;
    const [, payer, payee] = env.accounts;
    await env.fundTokens(payer, 200n * DEPOSIT);
    for (const [hubs, through] of [
      [1, "through a hub"],
      [2, "through 2 hubs"],
    ]) {
      const [answered, redeemed] = [0, 0].map(() => new Route(env, { asset: address, hubs }));
      const byBase = await answered.stream.challengeWithBase(answered.base);
      record(`challenge with a base, ${through}`, asset, byBase.gas);
      const byClaim = await redeemed.stream.challengeWithClaim(redeemed.base, redeemed.redemption(TOTAL - 1n));
      record(`challenge with a claim of 255 ticks, ${through}`, asset, byClaim.gas);
    }

    for (const count of GUARANTEES) {
      const guarantees = count === 1 ? "1 guarantee" : `${count} guarantees`;
      const ledger = new Ledger(env, {
        asset: address,
        payer: key("payer"),
        payee: key("hub"),
        destinations: [payer, payee],
      });
      const streams = Array.from({ length: count }, () => {
        const stream = new VirtualStream(env, { asset: address, hubs: [key("hub")] });
        return { stream, guarantee: ledger.guarantee(stream, DEPOSIT) };
      });
      const guaranteeing = ledger.guaranteeing(
        9,
        streams.map(({ guarantee }) => guarantee),
        [DEPOSIT, DEPOSIT],
      );
      await ledger.deposit(BigInt(count + 2) * DEPOSIT, { from: payer });
      const finals = [];
      for (const { stream } of streams) {
        const end = stream.state(2, DEPOSIT - 100_000n, 100_000n, { isFinal: true });
        finals.push(await Final.concluded(stream, end));
      }
      record(`challenge of a ledger with ${guarantees}`, asset, (await ledger.challengeWithBase(guaranteeing)).gas);
      await env.passChallenge();
      const closed = new Final(ledger, guaranteeing);
      let all = 0;
      for (const [index, final] of finals.entries()) {
        const { gas } = await closed.reclaim(final);
        all += gas;
        if (index === 0) record(`reclaim, the first of ${count}`, asset, gas);
      }
      if (count > 1) record(`reclaim, all ${count}`, asset, all);
      await closed.payOut();
    }
  });
}

it("keeps to the targets", () => {
  for (const kind of ["existing", "one fresh"]) assert.ok(figure(`open + close, ${kind}`, "native") <= 165_000);
  for (const asset of ASSETS)
    for (const how of ["", ", answering a base", ", through a hub"])
      assert.ok(figure(`challenge with a claim of 255 ticks${how}`, asset) <= 200_000);
  for (const asset of ASSETS) {
    // a transaction may use 2^24 gas (EIP-7825), and what frees everything should fit into one block of 30 million
    assert.ok(figure("challenge of a ledger with 64 guarantees", asset) <= 1_000_000);
    assert.ok(figure("reclaim, the first of 64", asset) <= 500_000);
    assert.ok(figure("reclaim, all 64", asset) <= 20_000_000);
  }
});
