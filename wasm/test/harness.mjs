// What the tests of the package share: cores that talk to each other by hand, logs as ethers encodes them from the
// published adjudicator's ABI, and chains and stores that misbehave on demand.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { AbiCoder, Interface, TypedDataEncoder, getBytes, keccak256, verifyTypedData } from "ethers";
import { Core, MillstreamError } from "millstream";

export const CHAIN_ID = 31_337;
export const ADJUDICATOR = `0x${"a1".repeat(20)}`;
export const STREAM_APP = `0x${"b2".repeat(20)}`;
export const CONSENSUS_APP = `0x${"c3".repeat(20)}`;
export const CONTRACTS = {
  chainId: CHAIN_ID,
  adjudicator: ADJUDICATOR,
  streamApp: STREAM_APP,
  consensusApp: CONSENSUS_APP,
};
export const NATIVE = `0x${"00".repeat(20)}`;
export const ZERO_HASH = `0x${"00".repeat(32)}`;
export const HOUR = 3_600;
/** Seconds since 1970 at which the tests by hand begin. */
export const T0 = 1_800_000_000;

export const secret = (byte) => new Uint8Array(32).fill(byte);
export const account = (byte) => `0x${byte.toString(16).padStart(2, "0").repeat(20)}`;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Checks for a MillstreamError with this code. */
export const coded = (code, field) => (error) => {
  assert.ok(error instanceof MillstreamError, `not a MillstreamError: ${error?.stack}`);
  assert.equal(error.name, "MillstreamError");
  assert.equal(error.code, code, error.message);
  if (field !== undefined) assert.equal(error.details.field, field);
  return true;
};

export async function until(condition, what = "the condition holds", ms = 5_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await sleep(5);
  }
}

/** A small generator of random numbers (mulberry32), so that a failure can be repeated. */
export function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

// ---- the chain, as ethers writes it ---------------------------------------------------------------------------------

const artifact = (name) =>
  JSON.parse(readFileSync(new URL(`../../contracts/out/${name}.json`, import.meta.url), "utf8"));
/** The published adjudicator's interface. */
export const adjudicator = new Interface(artifact("NitroAdjudicator").abi);

/** A log of the adjudicator. */
export function log(event, values, block, logIndex = 0) {
  const { topics, data } = adjudicator.encodeEventLog(event, values);
  return { address: ADJUDICATOR, topics, data: getBytes(data), block, logIndex };
}

/** The call that a transaction makes. */
export const call = (data) => adjudicator.parseTransaction({ data });

/** NitroUtils.getChannelId. */
export function channelIdOf({ payer, payee, nonce, challengeDuration, app = STREAM_APP }) {
  const types = ["address[]", "uint256", "address", "uint48"];
  return keccak256(AbiCoder.defaultAbiCoder().encode(types, [[payer, payee], nonce, app, challengeDuration]));
}

const DOMAIN = { name: "Millstream", version: "1", chainId: CHAIN_ID, verifyingContract: STREAM_APP };
const VOUCHER = {
  Voucher: [
    ["bytes32", "channelId"],
    ["uint48", "baseTurn"],
    ["uint32", "serial"],
    ["uint128", "cumulativeAmount"],
    ["bytes32", "tickTip"],
    ["uint128", "tickPrice"],
    ["uint8", "tickLimit"],
    ["bytes32", "memo"],
  ].map(([type, name]) => ({ type, name })),
};
const QUOTE = {
  Quote: [
    ["bytes32", "contentRoot"],
    ["uint64", "length"],
    ["uint32", "chunkSize"],
    ["uint32", "chunks"],
    ["uint8", "unit"],
    ["uint64", "units"],
    ["uint128", "price"],
    ["uint128", "credit"],
    ["address", "asset"],
    ["address", "payee"],
    ["bytes32", "payeeDestination"],
    ["uint64", "challengeDuration"],
    ["uint32", "confirmations"],
    ["uint64", "expiresAt"],
    ["bytes32", "hubs"],
  ].map(([type, name]) => ({ type, name })),
};

/** Who signed a voucher, according to ethers. */
export const voucherSigner = ({ signature, ...voucher }) =>
  verifyTypedData(DOMAIN, VOUCHER, voucher, `0x${Buffer.from(signature).toString("hex")}`).toLowerCase();

/** A quote's struct hash, according to ethers. */
export const quoteHash = (quote) => TypedDataEncoder.hashStruct("Quote", QUOTE, quote);

// ---- two cores ------------------------------------------------------------------------------------------------------

export const config = (byte, more = {}) => ({
  ...CONTRACTS,
  destination: account(byte),
  secret: secret(byte),
  ...more,
});

/** A core and what it asked, in order; commits and requests for records are answered at once. */
export class Party {
  constructor(byte, more = {}) {
    this.core = new Core(config(byte, more));
    this.outputs = [];
    this.records = new Map();
  }

  /** Takes a step, again if it names a record that has to be loaded; carries out the commits; returns the outputs. */
  step(step) {
    let result;
    try {
      result = step(this.core);
    } catch (error) {
      if (error.code !== "CHANNEL_LOADING") throw error;
      this.drain();
      result = step(this.core);
    }
    return { result, outputs: this.drain() };
  }

  drain() {
    const outputs = [];
    for (let output; (output = this.core.pollOutput());) {
      if (output.type === "load") {
        this.core.loaded(
          output.keys.map((key) => this.records.get(key) ?? { key, version: 0, bytes: undefined }),
          T0,
        );
        continue;
      }
      outputs.push(output);
      if (output.type !== "commit") continue;
      for (const { key, expectedVersion, bytes } of output.writes) {
        assert.equal(this.records.get(key)?.version ?? 0, expectedVersion);
        if (bytes === undefined) this.records.delete(key);
        else this.records.set(key, { key, version: expectedVersion + 1, bytes });
      }
      this.core.committed(output.id, T0);
    }
    this.outputs.push(...outputs);
    return outputs;
  }
}

export const sends = (outputs) => outputs.filter(({ type }) => type === "send").map(({ bytes }) => bytes);
export const only = (outputs, type) => {
  const found = outputs.filter((output) => output.type === type);
  assert.equal(found.length, 1, `one ${type} in ${outputs.map((output) => output.type)}`);
  return found[0];
};

/** Brings the messages of either side to the other until there are none. */
export function exchange(from, to, outputs, now) {
  for (const bytes of sends(outputs)) {
    const answer = to.step((core) => core.message(bytes, now));
    exchange(to, from, answer.outputs, now);
  }
}

export const TERMS = {
  asset: NATIVE,
  deposit: 1_000_000n,
  challengeDuration: HOUR,
  confirmations: 2,
  // The time above 32 bits: the payee takes no proposal of long ago.
  nonce: (BigInt(T0) << 32n) + 77n,
};

/** An open channel between two parties: proposed, accepted, deposited at block 10, confirmed at block 11. */
export function openBetween(payer, payee, terms = {}) {
  const opened = payer.step((core) => core.openChannel(openTerms(payee, terms), T0));
  const id = opened.result;
  exchange(payer, payee, opened.outputs, T0);
  confirmDeposit(payer, payee, id, terms.deposit ?? TERMS.deposit);
  return id;
}

export const openTerms = (payee, terms = {}) => ({
  ...TERMS,
  payee: payee.core.address(),
  payeeDestination: account(2),
  ...terms,
});

export function confirmDeposit(payer, payee, id, amount) {
  const update = {
    fromBlock: 0,
    headBlock: 11,
    headTime: T0 + 20,
    logs: [log("Deposited", [id, NATIVE, amount], 10)],
  };
  const seen = payee.step((core) => core.chainUpdate(update, T0 + 20));
  exchange(payee, payer, seen.outputs, T0 + 20);
  const locked = payer.step((core) => core.chainUpdate(update, T0 + 20));
  exchange(payer, payee, locked.outputs, T0 + 20);
}
