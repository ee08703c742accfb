// StreamApp asked directly: what a redemption and a state signed by everyone must look like, and the error for
// everything else (docs/protocol.md, Vouchers).

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MaxUint256, TypedDataEncoder, ZeroHash, concat, id, recoverAddress, toBeHex } from "ethers";

import {
  CURVE_ORDER,
  Stream,
  VOUCHER_TYPES,
  assertReverts,
  encodeClaim,
  freshAddress,
  hashTimes,
  highS,
  key,
  outcome,
  pad,
  refusedSilently,
  startEnv,
} from "./harness.mjs";

const PAYER = 1n;
const PAYEE = 2n;
const ALL = PAYER | PAYEE;
const UINT48_MAX = 2 ** 48 - 1;
const UINT128_MAX = 2n ** 128n - 1n;

let env;
let stream;
before(async () => {
  env = await startEnv();
  stream = new Stream(env);
});
after(() => env?.stop());

/** A valid redemption, of 514 of the payer's 1000, that tests then spoil. */
function valid(on = stream, claimOptions = {}) {
  const claim = on.claim({ serial: 3, cumulativeAmount: 500n, tickPrice: 2n, ticks: 7, ...claimOptions });
  return {
    on,
    claim,
    base: on.state(claim.voucher.baseTurn, 1_000n, 200n),
    next: on.redemption(claim, [1_000n, 200n]),
  };
}

/** Asks with the claim as it is now. */
function ask({ on, claim, base, next }, { baseSigners = ALL, nextSigners = PAYEE } = {}) {
  return env.isSupported(on, [[base, baseSigners]], [{ ...next, appData: encodeClaim(claim) }, nextSigners]);
}

const assertSupported = async (answer) => assert.deepEqual([...(await answer)], [true, ""]);

const assertRevertsWithoutData = (promise) => assert.rejects(promise, refusedSilently);

describe("what the payer signs", () => {
  it("is EIP-712 data of the domain Millstream 1 on this chain and contract", async () => {
    const domain = {
      name: "Millstream",
      version: "1",
      chainId: env.chainId,
      verifyingContract: env.addresses.streamApp,
    };
    assert.equal(await env.call(env.streamApp, "domainSeparator"), TypedDataEncoder.hashDomain(domain));
    const typeHash = id(TypedDataEncoder.from(VOUCHER_TYPES).encodeType("Voucher"));
    assert.equal(await env.call(env.streamApp, "VOUCHER_TYPEHASH"), typeHash);
  });

  it("covers every field of the voucher", async () => {
    const { voucher } = valid().claim;
    const changes = [
      {},
      { channelId: id("another channel") },
      { baseTurn: UINT48_MAX },
      { serial: 2 ** 32 - 1 },
      { cumulativeAmount: UINT128_MAX },
      { tickTip: ZeroHash },
      { tickPrice: UINT128_MAX },
      { tickLimit: 0 },
      { memo: id("a quote") },
    ];
    const digests = new Set();
    for (const change of changes) {
      const changed = { ...voucher, ...change };
      const digest = await env.call(env.streamApp, "voucherDigest", [changed]);
      assert.equal(digest, env.voucherDigest(changed));
      digests.add(digest);
    }
    assert.equal(digests.size, changes.length);
  });
});

describe("a state signed by everyone", () => {
  it("is supported at any turn, final or not", async () => {
    for (const turnNum of [0, 1, 2, 513, UINT48_MAX])
      for (const isFinal of [false, true])
        await assertSupported(env.isSupported(stream, [], [stream.state(turnNum, 1_000n, 0n, { isFinal }), ALL]));
  });

  it("is refused when a signature is missing", async () => {
    const candidate = stream.state(1, 1_000n, 0n);
    for (const signers of [0n, PAYER, PAYEE])
      await assertReverts(env.isSupported(stream, [], [candidate, signers]), "NotUnanimous", [signers]);

    const virtual = new Stream(env, { hubs: [key("hub")] });
    for (const signers of [1n, 2n, 3n, 4n, 5n, 6n])
      await assertReverts(env.isSupported(virtual, [], [candidate, signers]), "NotUnanimous", [signers]);
    await assertSupported(env.isSupported(virtual, [], [candidate, 7n]));
  });
});

describe("a redemption", () => {
  it("moves what it claims, with any number of ticks from 0 to 255", async () => {
    for (let ticks = 0; ticks <= 255; ticks++) {
      const redemption = valid(stream, { ticks, tickPrice: 1n });
      const expected = [700n + BigInt(ticks), 500n - BigInt(ticks)];
      assert.deepEqual(
        redemption.next.outcome[0].allocations.map(({ amount }) => amount),
        expected,
      );
      assert.equal(redemption.next.turnNum, 1 + 3 * 256 + ticks);
      await assertSupported(ask(redemption));
    }
  });

  it("may claim nothing, or everything that the payer has", async () => {
    await assertSupported(ask(valid(stream, { serial: 1, cumulativeAmount: 0n, tickPrice: 0n, ticks: 0 })));
    await assertSupported(ask(valid(stream, { cumulativeAmount: 745n, tickPrice: 1n, ticks: 255 })));
    await assertSupported(ask(valid(stream, { cumulativeAmount: 1_000n, tickPrice: 9n, ticks: 0 })));
  });

  it("needs no ticks", async () => {
    const redemption = valid(stream, { tickLimit: 0, ticks: 0, tickTip: ZeroHash });
    redemption.claim.preimage = ZeroHash;
    await assertSupported(ask(redemption));
  });

  it("stands on any base turn, with any serial and memo", async () => {
    for (const change of [{ baseTurn: 2 }, { baseTurn: 70_000 }, { serial: 2 ** 32 - 1 }, { memo: id("a quote") }])
      await assertSupported(ask(valid(stream, change)));
    const highest = UINT48_MAX - 256 - 7;
    await assertSupported(ask(valid(stream, { baseTurn: highest, serial: 1 })));
  });

  it("does not overflow on the largest amounts that a voucher can hold", async () => {
    const claim = stream.claim({ cumulativeAmount: UINT128_MAX, tickPrice: UINT128_MAX, ticks: 255 });
    const amounts = [2n ** 200n, 2n ** 255n];
    const redemption = {
      on: stream,
      claim,
      base: stream.state(1, ...amounts),
      next: stream.redemption(claim, amounts),
    };
    assert.equal(redemption.next.outcome[0].allocations[1].amount, 2n ** 200n - 256n * UINT128_MAX);
    await assertSupported(ask(redemption));
  });

  it("keeps the asset and what the allocations carry", async () => {
    await assertSupported(ask(valid(new Stream(env, { asset: env.addresses.token }))));
    const redemption = valid();
    for (const { outcome: changed } of [redemption.base, redemption.next]) {
      changed[0].assetMetadata.metadata = "0x0102";
      changed[0].allocations[0].metadata = "0x03";
      changed[0].allocations[1].allocationType = 1;
      changed[0].allocations[1].destination = id("a channel");
    }
    await assertSupported(ask(redemption));
  });

  it("through hubs needs the signature of the last participant only", async () => {
    const virtual = new Stream(env, { hubs: [key("hub"), key("other hub")] });
    await assertSupported(ask(valid(virtual), { baseSigners: 15n, nextSigners: 8n }));
    await assertSupported(ask(valid(virtual), { baseSigners: 15n, nextSigners: 15n }));
    for (const signers of [0n, 1n, 2n, 4n, 7n])
      await assertReverts(ask(valid(virtual), { baseSigners: 15n, nextSigners: signers }), "NotSignedByPayee", [
        signers,
      ]);
    await assertReverts(ask(valid(virtual), { baseSigners: 11n, nextSigners: 8n }), "BaseNotUnanimous", [11n]);
  });
});

describe("a refused redemption", () => {
  it("names its first fault, in the declared order", async () => {
    const stranger = key("stranger");
    // Every fault, in order. Step i commits faults i, i + 1, ... and expects the error of fault i.
    const faults = [
      ["BadProofLength", [2n], (r) => (r.proofLength = 2)],
      ["BaseNotUnanimous", [PAYER], (r) => (r.baseSigners = PAYER)],
      ["BaseIsPrefund", [], (r) => (r.base.turnNum = 0)],
      ["BaseIsFinal", [], (r) => (r.base.isFinal = true)],
      ["NotSignedByPayee", [PAYER], (r) => (r.nextSigners = PAYER)],
      ["RedemptionIsFinal", [], (r) => (r.next.isFinal = true)],
      [null, [], (r) => (r.appData = "0x1234")],
      ["WrongChannel", [stream.id, id("other")], (r) => (r.claim.voucher.channelId = id("other"))],
      ["WrongBaseTurn", [1n, 9n], (r) => (r.claim.voucher.baseTurn = 9)],
      ["ZeroSerial", [], (r) => (r.claim.voucher.serial = 0)],
      ["TooManyTicks", [7n, 6n], (r) => (r.claim.voucher.tickLimit = 6)],
      ["WrongPreimage", [], (r) => (r.claim.preimage = id("guess"))],
      ["WrongTurn", [776n, 777n], (r) => (r.next.turnNum = 777)],
      ["InvalidVoucherSignature", [], (r) => (r.v = 26)],
      [
        "WrongVoucherSigner",
        [stream.payer.address, stranger.address],
        (r) => (r.claim.signature = stream.sign(r.claim.voucher, { signer: stranger })),
      ],
      ["OutcomeShape", [], (r) => (r.next.outcome = [...r.next.outcome, ...r.next.outcome])],
      ["AssetChanged", [], (r) => (r.next.outcome[0].asset = env.addresses.token)],
      ["AllocationChanged", [0n], (r) => (r.next.outcome[0].allocations[0].destination = pad(stranger.address))],
      ["AllocationChanged", [1n], (r) => (r.next.outcome[0].allocations[1].destination = pad(stranger.address))],
      ["InsufficientBalance", [514n, 513n], (r) => (r.base.outcome[0].allocations[1].amount = 513n)],
      ["Panic", [0x11n], (r) => (r.base.outcome[0].allocations[0].amount = MaxUint256)],
      ["WrongAmounts", [714n, 486n], (r) => (r.next.outcome[0].allocations[0].amount = 715n)],
    ];
    for (let first = 0; first <= faults.length; first++) {
      const r = { ...valid(), baseSigners: ALL, nextSigners: PAYEE, proofLength: 1 };
      for (const [, , commit] of faults.slice(first)) commit(r);
      r.claim.signature.v = r.v ?? r.claim.signature.v;
      const candidate = { ...r.next, appData: r.appData ?? encodeClaim(r.claim) };
      const answer = env.isSupported(stream, Array(r.proofLength).fill([r.base, r.baseSigners]), [
        candidate,
        r.nextSigners,
      ]);
      const [name, args] = faults[first] ?? [];
      if (first === faults.length) await assertSupported(answer);
      else if (name === null) await assertRevertsWithoutData(answer);
      else await assertReverts(answer, name, args);
    }
  });

  it("has a malformed claim", async () => {
    const { claim, base, next } = valid();
    const good = encodeClaim(claim);
    const withWord = (index, word) => `0x${good.slice(2, 2 + 64 * index)}${word}${good.slice(2 + 64 * (index + 1))}`;
    const tooBig = (bits) => (1n << BigInt(bits)).toString(16).padStart(64, "0");
    // words: 0 channelId, 1 baseTurn, 2 serial, 3 amount, 4 tip, 5 price, 6 limit, 7 memo, 8 v, 9 r, 10 s, 11 ticks, 12 preimage
    assert.equal(good.length, 2 + 13 * 64);
    const malformed = [
      "0x",
      "0x00",
      good.slice(0, -2),
      withWord(1, tooBig(48)),
      withWord(2, tooBig(32)),
      withWord(3, tooBig(128)),
      withWord(5, tooBig(128)),
      withWord(6, tooBig(8)),
      withWord(8, tooBig(8)),
      withWord(11, tooBig(8)),
    ];
    for (const appData of malformed)
      await assertRevertsWithoutData(env.isSupported(stream, [[base, ALL]], [{ ...next, appData }, PAYEE]));
  });

  it("shows ticks that do not hash to the tip in their number", async () => {
    const seed = stream.seed(1, 3);
    // [ticks, times that the seed was hashed]: 255 - ticks would be right
    for (const [ticks, times] of [
      [0, 254],
      [0, 0],
      [7, 249],
      [7, 247],
      [7, 255],
      [255, 1],
    ]) {
      const preimage = hashTimes(seed, times);
      const redemption = valid(stream, { ticks, tickPrice: 1n });
      await assertReverts(ask({ ...redemption, claim: { ...redemption.claim, preimage } }), "WrongPreimage");
    }
  });

  it("claims more ticks than its voucher grants", async () => {
    for (const [ticks, tickLimit] of [
      [1, 0],
      [11, 10],
      [255, 254],
    ]) {
      const redemption = valid(stream, { tickLimit, ticks: 0 });
      redemption.claim.ticks = ticks;
      await assertReverts(ask(redemption), "TooManyTicks", [BigInt(ticks), BigInt(tickLimit)]);
    }
  });

  it("has a turn that its claim does not give it", async () => {
    const { on, claim, base, next } = valid();
    for (const turnNum of [0, 1, 2, 775, 777, 776 + 256, UINT48_MAX])
      await assertReverts(ask({ on, claim, base, next: { ...next, turnNum } }), "WrongTurn", [776n, BigInt(turnNum)]);

    const last = valid(stream, { baseTurn: UINT48_MAX - 10, serial: 2 ** 32 - 1, ticks: 255, tickPrice: 0n });
    const beyond = BigInt(UINT48_MAX - 10) + (2n ** 32n - 1n) * 256n + 255n;
    last.next.turnNum = Number(BigInt.asUintN(48, beyond));
    await assertReverts(ask(last), "WrongTurn", [beyond, BigInt(last.next.turnNum)]);
  });

  it("carries a signature that is not canonical", async () => {
    const { signature } = valid().claim;
    const zero = toBeHex(0, 32);
    const order = toBeHex(CURVE_ORDER, 32);
    const bad = [
      highS(signature),
      { ...signature, v: signature.v - 27 },
      { ...signature, v: 29 },
      { ...signature, v: 0 },
      { ...signature, v: 255 },
      { ...signature, r: zero },
      { ...signature, s: zero },
      { ...signature, r: order },
      { ...signature, s: order },
      { v: 27, r: zero, s: zero },
    ];
    for (const changed of bad) {
      const redemption = valid();
      redemption.claim.signature = changed;
      await assertReverts(ask(redemption), "InvalidVoucherSignature");
    }
    // The high-s form is a real signature of the payer: the precompile recovers it. It is refused for its form alone.
    const { v, r, s } = highS(signature);
    const input = concat([env.voucherDigest(valid().claim.voucher), toBeHex(v, 32), r, s]);
    assert.equal(
      await env.rpc("eth_call", [{ to: toBeHex(1, 20), data: input }, "latest"]),
      pad(stream.payer.address).toLowerCase(),
    );
  });

  it("carries a voucher signed by someone else, for elsewhere, or changed afterwards", async () => {
    const spoilt = [
      valid(stream, { signer: stream.payee }),
      valid(stream, { signer: key("stranger") }),
      valid(stream, { domain: { chainId: env.chainId + 1 } }),
      valid(stream, { domain: { verifyingContract: env.addresses.adjudicator } }),
      valid(stream, { domain: { name: "Millpond" } }),
      valid(stream, { domain: { version: "2" } }),
    ];
    for (const change of [{ cumulativeAmount: 501n }, { tickPrice: 3n }, { memo: id("other goods") }]) {
      const { on, claim, base } = valid();
      const changed = { ...claim, voucher: { ...claim.voucher, ...change } };
      spoilt.push({ on, claim: changed, base, next: on.redemption(changed, [1_000n, 200n]) });
    }
    for (const redemption of spoilt) {
      const { voucher, signature } = redemption.claim;
      const recovered = recoverAddress(env.voucherDigest(voucher), signature);
      assert.notEqual(recovered, stream.payer.address);
      await assertReverts(ask(redemption), "WrongVoucherSigner", [stream.payer.address, recovered]);
    }
  });

  it("does not have one asset with two allocations", async () => {
    const [a, b, c] = [freshAddress("a"), freshAddress("b"), freshAddress("c")];
    const asset = env.addresses.token;
    const shapes = [
      [],
      outcome(asset),
      outcome(asset, [a, 1_000n]),
      outcome(asset, [a, 1_000n], [b, 200n], [c, 0n]),
      [...outcome(asset, [a, 1_000n], [b, 200n]), ...outcome(asset, [a, 0n], [b, 0n])],
    ];
    for (const shape of shapes) {
      const inBase = valid();
      inBase.base.outcome = shape;
      await assertReverts(ask(inBase), "OutcomeShape");
      const inNext = valid();
      inNext.next.outcome = shape;
      await assertReverts(ask(inNext), "OutcomeShape");
    }
  });

  it("changes the asset, or is of a kind that cannot be split", async () => {
    const spoil = [
      ({ next }) => (next.outcome[0].asset = env.addresses.token),
      ({ next }) => (next.outcome[0].assetMetadata.metadata = "0x00"),
      ({ base }) => (base.outcome[0].assetMetadata.metadata = "0x00"),
      ({ next }) => (next.outcome[0].assetMetadata.assetType = 1),
      ({ base }) => (base.outcome[0].assetMetadata.assetType = 1),
      ...[1, 2, 3].map((kind) => ({ base, next }) => {
        base.outcome[0].assetMetadata.assetType = kind;
        next.outcome[0].assetMetadata.assetType = kind;
      }),
    ];
    for (const change of spoil) {
      const redemption = valid();
      change(redemption);
      await assertReverts(ask(redemption), "AssetChanged");
    }
  });

  it("changes a destination, allocation type or metadata", async () => {
    for (const index of [0, 1])
      for (const change of [
        { destination: pad(freshAddress("elsewhere")) },
        { allocationType: 2 },
        { metadata: "0x00" },
      ]) {
        const redemption = valid();
        Object.assign(redemption.next.outcome[0].allocations[index], change);
        await assertReverts(ask(redemption), "AllocationChanged", [BigInt(index)]);
      }
    const swapped = valid();
    swapped.next.outcome[0].allocations.reverse();
    await assertReverts(ask(swapped), "AllocationChanged", [0n]);
  });

  it("claims more than the payer has", async () => {
    for (const [cumulativeAmount, tickPrice, ticks, claimed] of [
      [1_001n, 0n, 0, 1_001n],
      [746n, 1n, 255, 1_001n],
      [UINT128_MAX, UINT128_MAX, 255, 256n * UINT128_MAX],
    ]) {
      const claim = stream.claim({ cumulativeAmount, tickPrice, ticks });
      const next = stream.state(1 + 256 + ticks, 0n, 1_200n);
      await assertReverts(ask({ ...valid(), claim, next }), "InsufficientBalance", [claimed, 1_000n]);
    }
  });

  it("moves another amount than it claims", async () => {
    for (const [payer, payee] of [
      [487n, 713n],
      [485n, 715n],
      [486n, 713n],
      [486n, 715n],
      [487n, 714n],
      [0n, 1_200n],
      [1_000n, 200n],
    ]) {
      const redemption = valid();
      redemption.next.outcome = stream.outcome(payer, payee);
      await assertReverts(ask(redemption), "WrongAmounts", [714n, 486n]);
    }
  });
});
