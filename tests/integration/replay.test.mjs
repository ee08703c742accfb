// The machine is the same everywhere: random histories that two native wallets have been through are fed to the module,
// input by input, and everything that comes out of it must be the same, byte for byte.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { concat, getBytes, hexlify, keccak256, toUtf8Bytes } from "ethers";
import { Core, init } from "millstream";

import { runTestProgram } from "../../xtask/build.mjs";

const SEEDS = "0..24";
const INPUTS = "300";

/** A value as the native program writes it: what JSON lacks is an object with one member. */
function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.bytes === "string") return getBytes(`0x${value.bytes}`);
  if (typeof value.bigint === "string") return BigInt(value.bigint);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, revive(member)]));
}

/** The other way, with sorted keys and without what is undefined. */
function plain(value) {
  if (value instanceof Uint8Array) return { bytes: hexlify(value).slice(2) };
  if (typeof value === "bigint") return { bigint: value.toString() };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, it]) => [name, plain(it)]));
}

function codeOf(run) {
  try {
    run();
    return null;
  } catch (error) {
    assert.equal(error.name, "MillstreamError", error.stack);
    return error.code;
  }
}

function replay(lines) {
  const cores = [];
  let hash = new Uint8Array(32);
  for (const [number, line] of lines.entries()) {
    if (line.config) {
      cores[line.host] = new Core(revive(line.config));
      continue;
    }
    const core = cores[line.host];
    const what = `line ${number}: ${line.call}`;
    const code = codeOf(() => core[line.call](...revive(line.args)));
    assert.equal(code, line.code, what);
    const outputs = Array.from({ length: line.outputs }, () => core.pollOutput());
    assert.ok(!outputs.includes(undefined), `${what}: ${outputs.length} outputs`);
    hash = keccak256(concat([hash, toUtf8Bytes(outputs.map((it) => JSON.stringify(plain(it))).join(""))]));
    assert.equal(hash, line.hash, `${what}: ${JSON.stringify(outputs.map(plain), null, 1)}`);
  }
  for (const core of cores) assert.equal(core.pollOutput(), undefined);
}

describe("the module and the native core", () => {
  it("say the same, byte for byte, in random histories", async () => {
    await init();
    const said = await runTestProgram("replay", [SEEDS, INPUTS]);
    const histories = [];
    for (const line of said
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text)))
      if ("seed" in line) histories.push({ seed: line.seed, lines: [] });
      else histories.at(-1).lines.push(line);
    assert.equal(histories.length, 24);
    const calls = new Set();
    for (const { seed, lines } of histories) {
      const inputs = lines.filter(({ call }) => call);
      assert.ok(inputs.length >= Number(INPUTS), `seed ${seed} has ${inputs.length} inputs`);
      for (const { call } of inputs) calls.add(call);
      try {
        replay(lines);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
      }
    }
    const all = `abortChannel chainUpdate clearChallenge closeChannel commitFailed committed fold giveBack leaveChannel
      loaded message openChannel pay payment ping restore resume signRefused signed snapshot tick topUp
      transactionFailed withdraw`;
    assert.deepEqual([...calls].sort(), all.split(/\s+/), "every input comes up");
  });
});
