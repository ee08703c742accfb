// Receipts: signed by a seller, exported, and checked by somebody with no wallet, no chain and no network.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { TypedDataEncoder, Wallet as EthersWallet, getBytes } from "ethers";
import { Core, exportReceipts, init, readReceipt, verifyReceipts } from "millstream";

const SECRET = new Uint8Array(32).fill(0xb2);
const CONTRACTS = {
  chainId: 31_337,
  adjudicator: `0x${"ad".repeat(20)}`,
  streamApp: `0x${"5a".repeat(20)}`,
  consensusApp: `0x${"ca".repeat(20)}`,
};
const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

const receipt = (chunk) => ({
  channelId: `0x${"22".repeat(32)}`,
  quote: `0x${"44".repeat(32)}`,
  chunk,
  chunks: chunk + 1,
  cumulativeAmount: 10n ** 20n + BigInt(chunk),
  issuedAt: 1_800_000_000 + chunk,
});

describe("receipts", () => {
  let core;
  let issuer;
  let signed;

  before(async () => {
    await init();
    core = new Core({ ...CONTRACTS, destination: `0x${"cd".repeat(20)}`, secret: SECRET });
    issuer = { chainId: CONTRACTS.chainId, streamApp: CONTRACTS.streamApp, seller: core.address() };
    signed = [0, 1, 2].map((chunk) => core.signReceipt(receipt(chunk)));
  });

  it("carry the signature that ethers makes of the same typed data", async () => {
    const types = {
      Receipt: [
        { name: "channelId", type: "bytes32" },
        { name: "quote", type: "bytes32" },
        { name: "chunk", type: "uint64" },
        { name: "chunks", type: "uint64" },
        { name: "cumulativeAmount", type: "uint128" },
        { name: "issuedAt", type: "uint64" },
      ],
    };
    const domain = { name: "Millstream", version: "1", chainId: 31_337, verifyingContract: CONTRACTS.streamApp };
    const ethers = new EthersWallet(`0x${"b2".repeat(32)}`);
    assert.equal(TypedDataEncoder.from(types).primaryType, "Receipt");
    const expected = getBytes(await ethers.signTypedData(domain, types, receipt(1)));
    assert.deepEqual(signed[1].slice(-65), expected);
  });

  it("are read as they were signed, by anybody", () => {
    for (const [chunk, bytes] of signed.entries()) assert.deepEqual(readReceipt(bytes, issuer), receipt(chunk));
  });

  it("are refused by name when they are not what they were", () => {
    const altered = signed[0].slice();
    altered[5] ^= 1;
    const cases = [
      [altered, issuer, "RECEIPT_SIGNATURE"],
      [signed[0], { ...issuer, chainId: 1 }, "RECEIPT_SIGNATURE"],
      [signed[0], { ...issuer, streamApp: CONTRACTS.adjudicator }, "RECEIPT_SIGNATURE"],
      [signed[0], { ...issuer, seller: CONTRACTS.adjudicator }, "RECEIPT_SIGNATURE"],
      [signed[0].slice(1), issuer, "RECEIPT_MALFORMED"],
      [new Uint8Array(0), issuer, "RECEIPT_MALFORMED"],
      [new Uint8Array(10_000), issuer, "RECEIPT_TOO_LARGE"],
      [signed[0], { ...issuer, seller: "0x12" }, "INVALID_HEX"],
      ["text", issuer, "INVALID_ARGUMENT"],
    ];
    for (const [bytes, by, code] of cases) assert.throws(() => readReceipt(bytes, by), { code });
    assert.throws(() => core.signReceipt({ ...receipt(0), chunk: -1 }), { code: "INVALID_ARGUMENT" });
    assert.throws(() => core.signReceipt({ ...receipt(0), cumulativeAmount: 1n << 128n }), {
      code: "AMOUNT_OUT_OF_RANGE",
    });
  });

  it("survive a file, and one that was altered is named", async () => {
    const text = exportReceipts(issuer, signed);
    const verified = await verifyReceipts(text);
    assert.deepEqual(verified, { issuer, valid: [0, 1, 2].map(receipt), invalid: [] });
    const file = JSON.parse(text);
    file.receipts[1] = file.receipts[1].replace(/^..../, "AAAA");
    file.receipts.push(null, "%", file.receipts[0].repeat(10));
    const { valid, invalid } = await verifyReceipts(JSON.stringify(file));
    assert.deepEqual(valid, [receipt(0), receipt(2)]);
    assert.deepEqual(
      invalid.map(({ index, code }) => [index, code]),
      [
        [1, "RECEIPT_MALFORMED"],
        [3, "RECEIPT_MALFORMED"],
        [4, "RECEIPT_MALFORMED"],
        [5, "RECEIPT_TOO_LARGE"],
      ],
    );
  });

  it("are not found in what is no file of receipts", async () => {
    const good = JSON.parse(exportReceipts(issuer, signed));
    const bad = ["", "[]", "{", JSON.stringify({ ...good, version: 2 }), JSON.stringify({ ...good, receipts: {} })];
    bad.push(JSON.stringify({ ...good, seller: "0x" }), JSON.stringify({ ...good, chainId: "1" }));
    for (const text of bad) await assert.rejects(verifyReceipts(text), { code: "RECEIPTS_MALFORMED" }, text);
  });

  it("are checked from the command line", async () => {
    const directory = await mkdtemp(join(tmpdir(), "millstream-receipts-"));
    const run = (...args) =>
      new Promise((resolve) => {
        execFile(process.execPath, [CLI, ...args], (error, stdout, stderr) =>
          resolve({ status: error ? error.code : 0, stdout, stderr }),
        );
      });
    try {
      const good = join(directory, "good.json");
      const bad = join(directory, "bad.json");
      const text = exportReceipts(issuer, signed);
      await writeFile(good, text);
      await writeFile(bad, text.replace(/"chainId":31337|"chainId": 31337/, '"chainId": 1'));
      const verified = await run("verify", good, "--seller", issuer.seller);
      assert.deepEqual([verified.status, verified.stderr], [0, ""]);
      assert.match(verified.stdout, /^valid .* chunk 2 \(3 in all\) .* paid 100000000000000000002$/m);
      assert.match(verified.stdout, /\n3 valid, 0 invalid\n$/);
      const altered = await run("verify", bad);
      assert.equal(altered.status, 1);
      assert.match(altered.stdout, /\n0 valid, 3 invalid\n$/);
      const other = await run("verify", good, "--seller", CONTRACTS.adjudicator);
      assert.equal(other.status, 1);
      assert.match(other.stdout, /\n0 valid, 3 invalid\n$/);
      const json = await run("verify", good, "--json");
      assert.deepEqual(JSON.parse(json.stdout).valid[0].cumulativeAmount, "100000000000000000000");
      assert.equal((await run("verify", join(directory, "none.json"))).status, 2);
      const usage = await run();
      assert.deepEqual([usage.status, usage.stdout], [2, ""]);
      assert.match(usage.stderr, /^usage: millstream verify FILE/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
