// Bytes from peers, sellers and damaged stores: thousands of them, each ends in a typed error and changes nothing.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { MillstreamError, decodePayment, init } from "millstream";

import {
  HOUR,
  NATIVE,
  Party,
  T0,
  coded,
  log,
  only,
  openBetween,
  openTerms,
  random,
  secret,
  sends,
  sleep,
} from "./harness.mjs";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

const MEMO = `0x${"5e".repeat(32)}`;

/** Every truncation, every single flipped bit, appended bytes, and random ones of many lengths. */
function* mutations(valid, seed) {
  for (let length = 0; length < valid.length; length++) yield valid.slice(0, length);
  for (let bit = 0; bit < valid.length * 8; bit++) {
    const flipped = valid.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    yield flipped;
  }
  const draw = random(seed);
  for (let extra = 1; extra <= 64; extra++)
    yield Uint8Array.of(...valid, ...Array.from({ length: extra }, () => draw(256)));
  for (let round = 0; round < 500; round++) yield Uint8Array.from({ length: draw(600) }, () => draw(256));
  for (let round = 0; round < 500; round++) {
    // Several places at once, at times with whole runs copied elsewhere.
    const bytes = valid.slice();
    for (let change = draw(6); change >= 0; change--) {
      if (draw(3) > 0) bytes[draw(bytes.length)] = draw(256);
      else bytes.copyWithin(draw(bytes.length), draw(bytes.length), draw(bytes.length));
    }
    if (!bytes.every((byte, at) => byte === valid[at])) yield bytes;
  }
}

/** Everything that can be seen of a core. */
const seen = (core) => core.channels();

/** Feeds every mutation, and checks that each is refused with a code and changes nothing; the codes that came. */
function feed(party, valid, seed, take) {
  const { core } = party;
  const start = seen(core);
  const codes = new Map();
  let count = 0;
  for (const bytes of mutations(valid, seed)) {
    count += 1;
    assert.throws(
      () => party.step(() => take(bytes)),
      (error) => {
        assert.ok(error instanceof MillstreamError, error?.stack);
        codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        return true;
      },
      `accepted: ${Buffer.from(bytes).toString("hex")}`,
    );
    assert.equal(core.pollOutput(), undefined);
    if (count % 50 === 0) assert.deepEqual(seen(core), start);
  }
  assert.deepEqual(seen(core), start);
  assert.ok(count > 2_000, `${count} cases`);
  assert.equal(codes.has("CORE_TRAPPED"), false);
  return codes;
}

describe("hostile bytes", () => {
  let payer, payee, id;

  before(async () => {
    await init();
    [payer, payee] = [new Party(1), new Party(2)];
    id = openBetween(payer, payee);
  });

  it("are no message", () => {
    const { outputs } = payer.step((core) => core.openChannel(openTerms(payee, { nonce: undefined }), T0));
    const [message] = sends(outputs);
    const codes = feed(payee, message, 1, (bytes) => payee.core.message(bytes, T0));
    assert.deepEqual([...codes.keys()].sort(), [
      "MESSAGE_MALFORMED",
      "MESSAGE_SIGNATURE",
      "MESSAGE_VERSION",
      "MESSAGE_WRONG_RECEIVER",
    ]);
    // The message itself is one.
    payee.step((core) => core.message(message, T0));
  });

  it("are no payment", () => {
    const { outputs } = payer.step((core) => core.pay(id, 1_000n, { memo: MEMO }, 0, T0));
    const { bytes: payment } = only(outputs, "payment");
    const codes = feed(payee, payment, 2, (bytes) => payee.core.payment(bytes, T0));
    for (const code of ["MESSAGE_MALFORMED", "UNKNOWN_CHANNEL", "SIGNATURE_WRONG_SIGNER", "SIGNATURE_HIGH_S"])
      assert.ok(codes.has(code), `${code} in ${[...codes.keys()]}`);
    payee.step((core) => core.payment(payment, T0));
    assert.equal(payee.core.channel(id).cumulativeAmount, payer.core.channel(id).cumulativeAmount);
  });

  it("are no quote", () => {
    const quote = payee.core.signQuote({
      contentRoot: MEMO,
      length: 9_999,
      chunkSize: 1_000,
      chunks: 10,
      unit: "chunk",
      units: 10,
      credit: 0n,
      price: 5n,
      asset: NATIVE,
      challengeDuration: HOUR,
      confirmations: 2,
      expiresAt: T0 + 1_000,
    });
    const codes = feed(payer, quote, 3, (bytes) => payer.core.readQuote(bytes, T0));
    for (const code of codes.keys()) assert.match(code, /^QUOTE_(TOO_LARGE|MALFORMED|SIGNATURE|IMPOSSIBLE)$/);
    assert.equal(payer.core.readQuote(quote, T0).price, 5n);
  });

  it("may be displayed as payments only if they have the form of one", () => {
    const { outputs } = payer.step((core) => core.pay(id, 1n, { memo: MEMO }, 0, T0));
    const { bytes: payment } = only(outputs, "payment");
    let shown = 0;
    for (const bytes of mutations(payment, 4)) {
      try {
        const fields = decodePayment(bytes);
        assert.equal(fields.signature.length, 65);
        assert.equal(typeof fields.cumulativeAmount, "bigint");
        assert.ok(Number.isSafeInteger(fields.baseTurn));
        shown += 1;
      } catch (error) {
        assert.ok(error instanceof MillstreamError && error.code !== "CORE_TRAPPED", error?.stack);
      }
    }
    assert.ok(shown > 0, "a flipped bit of an amount is still a voucher's form");
  });

  it("of any size are refused before they are copied", () => {
    const huge = new Uint8Array(512 * 1024 * 1024);
    const start = process.hrtime.bigint();
    assert.throws(() => payee.core.message(huge, T0), coded("MESSAGE_TOO_LARGE"));
    assert.throws(() => payee.core.payment(huge, T0), coded("MESSAGE_TOO_LARGE"));
    assert.throws(() => payer.core.readQuote(huge, T0), coded("QUOTE_TOO_LARGE"));
    assert.throws(
      () => payer.core.loaded([{ key: id, version: 1, bytes: huge }], T0),
      coded("ARGUMENT_TOO_LARGE", "bytes"),
    );
    assert.ok(process.hrtime.bigint() - start < 1_000_000_000n, "half a gigabyte was not touched");
    assert.throws(() => payee.core.message(new Uint8Array(16 * 1024 + 1), T0), coded("MESSAGE_TOO_LARGE"));
    assert.throws(() => payee.core.payment(new Uint8Array(513), T0), coded("MESSAGE_TOO_LARGE"));
  });

  it("in a store are refused, or make a wallet that can be used", () => {
    const record = payer.records.get(id);
    const others = [...payer.records.values()].filter(({ key }) => key !== id);
    let refused = 0;
    for (const bytes of mutations(record.bytes, 5)) {
      const { core } = new Party(1);
      try {
        core.loaded([...others, { ...record, bytes }], T0);
        // What is damaged and still readable is used: none of it may stop the module.
        core.channels();
        for (const use of [
          () => core.pay(id, 1n, { memo: MEMO }, 0, T0),
          () => core.resume(id, T0),
          () => core.tick(T0),
        ]) {
          try {
            use();
          } catch (error) {
            assert.ok(error instanceof MillstreamError && error.code !== "CORE_TRAPPED", error?.stack);
          }
        }
        while (core.pollOutput());
      } catch (error) {
        assert.ok(error instanceof MillstreamError && error.code !== "CORE_TRAPPED", error?.stack);
        // All or nothing: the sound records were not taken either.
        assert.deepEqual(core.channels(), []);
        refused += 1;
      }
    }
    assert.ok(refused > 2_000, `${refused} refused`);
    const foreign = new Party(7);
    assert.throws(() => foreign.core.loaded([record], T0), coded("RECORD_FOREIGN"));
    const moved = { ...record, key: `0x${"12".repeat(32)}` };
    assert.throws(() => new Party(1).core.loaded([moved], T0), coded("RECORD_WRONG_KEY"));
  });

  it("in logs stop nothing", () => {
    const [one, two] = [new Party(1), new Party(2)];
    const channel = openBetween(one, two);
    const draw = random(6);
    const sound = log("AllocationUpdated", [channel, 0, 5, 5], 40, 3);
    const logs = [];
    for (const event of ["ChallengeRegistered", "Deposited", "Concluded", "ChallengeCleared", "Checkpointed"]) {
      const { topics } = log(event, sample(event, channel), 40);
      for (let round = 0; round < 200; round++) {
        const data = Uint8Array.from({ length: draw(400) }, () => (draw(4) ? 0 : draw(256)));
        logs.push({ ...sound, topics: topics.slice(0, draw(3) === 0 ? 1 : 2), data, logIndex: logs.length });
      }
      logs.push({ ...sound, topics, data: new Uint8Array(2 * 1024 * 1024), logIndex: logs.length });
    }
    const { outputs } = one.step((core) =>
      core.chainUpdate({ fromBlock: 12, headBlock: 45, headTime: T0 + 60, logs }, T0 + 60),
    );
    const events = outputs.filter(({ type }) => type === "notify").map(({ event }) => event);
    assert.ok(events.filter(({ type }) => type === "unreadableLog").length > 500);
    for (const event of events.filter(({ type }) => type === "unreadableLog")) {
      assert.deepEqual([event.channelId, event.block], [channel, 40]);
      assert.match(event.code, /^NITRO_/);
    }
    assert.equal(one.core.channel(channel).id, channel);
  });

  it("leave nothing behind in the module's memory", async () => {
    const { bytes } = only(payer.step((core) => core.pay(id, 1n, { memo: MEMO }, 0, T0)).outputs, "payment");
    const measure = async () => {
      collectGarbage();
      await sleep(10);
      return process.memoryUsage().arrayBuffers;
    };
    const flood = () => {
      for (let round = 0; round < 3_000; round++) {
        const broken = bytes.slice();
        broken[round % broken.length] ^= 0xff;
        try {
          payee.core.payment(broken, T0);
        } catch {
          // As it should be.
        }
      }
    };
    flood();
    const before = await measure();
    for (let round = 0; round < 5; round++) flood();
    assert.ok((await measure()) - before < 256 * 1024);
  });

  it("of a stranger are answered with a signed refusal, and nothing else", () => {
    const stranger = new Party(9);
    const { outputs } = stranger.step((core) =>
      core.openChannel(openTerms(payee, { deposit: 1n, asset: secretAsset() }), T0),
    );
    const strict = new Party(2, { policy: { minDeposit: 10n } });
    const [proposal] = sends(outputs);
    assert.throws(() => strict.step((core) => core.message(proposal, T0)), coded("POLICY_DEPOSIT"));
    const reply = strict.step(() => {}).outputs;
    assert.deepEqual(
      reply.map(({ type }) => type),
      ["send"],
    );
    assert.deepEqual(strict.core.channels(), []);
    const told = stranger.step((core) => core.message(reply[0].bytes, T0));
    const { event } = told.outputs.filter(({ type }) => type === "notify").at(-1);
    assert.deepEqual([event.type, event.code], ["peerError", "POLICY_DEPOSIT"]);
  });
});

const secretAsset = () => `0x${Buffer.from(secret(3).slice(0, 20)).toString("hex")}`;

/** Sound values for an event of the adjudicator. */
function sample(event, channel) {
  switch (event) {
    case "ChallengeRegistered": {
      const state = [[[], "0x", 1, false], []];
      return [channel, T0, [], state];
    }
    case "Deposited":
      return [channel, NATIVE, 1];
    default:
      return [channel, T0];
  }
}
