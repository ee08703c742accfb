// Whatever JavaScript passes in ends in a result or a typed error that names the argument; the core is as it was.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { createContext, runInContext } from "node:vm";

import {
  Core,
  MillstreamError,
  Signer,
  claimOf,
  decodePayment,
  init,
  keccak256,
  recoverAddress,
  signDigest,
} from "millstream";

import { HOUR, NATIVE, Party, T0, account, coded, config, openBetween, openTerms, secret } from "./harness.mjs";

const NONSENSE = [
  undefined,
  null,
  true,
  NaN,
  Infinity,
  -1,
  0.5,
  2 ** 53,
  1e300,
  -1n,
  2n ** 64n,
  2n ** 128n,
  2n ** 4_096n,
  "",
  "0x",
  "0xzz",
  "x".repeat(100_000),
  "\ud800",
  Symbol("s"),
  {},
  [],
  [undefined],
  new Array(4_294_967_295),
  () => {},
  new Date(NaN),
  new Map(),
  new Uint8Array(0),
  new Uint8Array(31),
  new Uint8Array(70_000),
  new Uint16Array(32),
  new DataView(new ArrayBuffer(32)),
  new ArrayBuffer(32),
  detached(32),
  new Proxy({}, { get: () => trap() }),
  new Proxy([], { get: () => trap() }),
  new Proxy(new Uint8Array(32), {}),
  Object.defineProperty(new Uint8Array(32), "length", { get: () => trap() }),
  Object.defineProperty(new Uint8Array(32), "length", { value: 1 }),
  Object.defineProperty(new Uint8Array(8), "length", { value: 32 }),
  Object.create(Uint8Array.prototype),
];

function trap() {
  throw new Error("a trap of the caller");
}

function detached(length) {
  const bytes = new Uint8Array(length);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  assert.equal(bytes.length, 0);
  return bytes;
}

/** Calls and returns the error's code, or undefined; anything but a MillstreamError fails the test. */
function codeOf(call, what) {
  try {
    call();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof MillstreamError, `${what}: ${error?.stack ?? String(error)}`);
    assert.match(error.code, /^[A-Z][A-Z0-9_]+$/);
    assert.notEqual(error.code, "CORE_TRAPPED", what);
    assert.notEqual(error.code, "CORE_BUSY", what);
    return error.code;
  }
}

describe("the border", () => {
  before(() => init());

  it("takes amounts as bigint between 0 and 2^128 - 1, and nothing else", () => {
    const [payer, payee] = [new Party(1), new Party(2)];
    const id = openBetween(payer, payee);
    const pay = (amount) => () => payer.core.pay(id, amount, {}, 0, T0);
    for (const amount of [2n ** 128n, -1n, 2n ** 128n + 1n, 2n ** 64n * 2n ** 64n, -(2n ** 200n)])
      assert.throws(pay(amount), coded("AMOUNT_OUT_OF_RANGE", "amount"));
    for (const amount of [1, "1", 1.5, undefined, null, {}, [1n]])
      assert.throws(pay(amount), coded("INVALID_ARGUMENT", "amount"));
    // In range, so the core decides.
    assert.throws(pay(2n ** 128n - 1n), coded("INSUFFICIENT_BALANCE"));
    assert.throws(pay(0n), coded("PAY_ZERO_AMOUNT"));
    assert.equal(payer.core.channel(id).serial, 0);
    assert.equal(payer.core.pollOutput(), undefined);
  });

  it("takes times as whole seconds between 0 and 2^48 - 1", () => {
    const { core } = new Party(1);
    for (const now of [-1, 0.5, NaN, Infinity, 2 ** 48, 1n, "1", undefined])
      assert.throws(() => core.tick(now), coded("INVALID_ARGUMENT", "now"));
    core.tick(0);
    core.tick(2 ** 48 - 1);
  });

  it("takes ids and addresses as hex of the right length, in either case", () => {
    const payee = new Party(2);
    const { core } = new Party(1);
    for (const wrong of [
      "",
      "0x",
      account(2).slice(2),
      `${account(2)}00`,
      account(2).slice(0, -1),
      `0X${account(2).slice(2)}`,
    ])
      assert.throws(() => core.openChannel(openTerms(payee, { asset: wrong }), T0), coded("INVALID_HEX", "asset"));
    assert.throws(() => core.channel(`0x${"g".repeat(64)}`), coded("INVALID_HEX", "channelId"));
    assert.throws(() => core.channel(7), coded("INVALID_HEX", "channelId"));
    const upper = account(0xab).toUpperCase().replace("0X", "0x");
    const id = core.openChannel(openTerms(payee, { asset: upper }), T0);
    assert.equal(core.channel(id).asset, account(0xab));
    assert.equal(core.channel(id.toUpperCase().replace("0X", "0x")).id, id);
  });

  it("names the field of a config that is wrong", () => {
    const refused = (more, code, field) => assert.throws(() => new Core(config(1, more)), coded(code, field));
    refused({ chainId: -1 }, "INVALID_ARGUMENT", "chainId");
    refused({ chainId: 2n ** 64n }, "AMOUNT_OUT_OF_RANGE", "chainId");
    refused({ chainId: "1" }, "INVALID_ARGUMENT", "chainId");
    refused({ adjudicator: undefined }, "INVALID_HEX", "adjudicator");
    refused({ destination: "0x12" }, "INVALID_HEX", "destination");
    refused({ secret: new Uint8Array(31) }, "INVALID_ARGUMENT", "secret");
    refused({ secret: new Uint8Array(33) }, "INVALID_ARGUMENT", "secret");
    refused({ secret: new Uint8Array(32) }, "SIGN_INVALID_SECRET");
    refused({ secret: null }, "INVALID_ARGUMENT", "secret");
    refused({ policy: 5 }, "INVALID_ARGUMENT", "policy");
    refused({ policy: { minDeposit: 5 } }, "INVALID_ARGUMENT", "minDeposit");
    refused({ policy: { minConfirmations: 2 ** 32 } }, "INVALID_ARGUMENT", "minConfirmations");
    refused({ policy: { assets: ["0x"] } }, "INVALID_HEX", "assets");
    assert.throws(() => new Core(), coded("INVALID_ARGUMENT", "config"));
    // A chain id above 2^53 needs a bigint.
    new Core(config(1, { chainId: 2n ** 64n - 1n }));
  });

  it("keeps what a policy does not say, and follows what it says", () => {
    const payee = new Party(2);
    const strict = new Core(config(1, { policy: { minDeposit: 2_000_000n, assets: [NATIVE] } }));
    assert.throws(() => strict.openChannel(openTerms(payee), T0), coded("POLICY_DEPOSIT"));
    assert.throws(() => strict.openChannel(openTerms(payee, { asset: account(9) }), T0), coded("POLICY_ASSET"));
    const short = openTerms(payee, { challengeDuration: 60 });
    assert.throws(() => new Core(config(1)).openChannel(short, T0), coded("POLICY_CHALLENGE_DURATION"));
    const lenient = new Core(config(1, { policy: { minChallengeDuration: 60 } }));
    assert.equal(lenient.channel(lenient.openChannel(short, T0)).challengeDuration, 60);
  });

  it("copies bytes: what the caller does to them later changes nothing", () => {
    const given = secret(9);
    const core = new Core(config(1, { secret: given }));
    const exported = core.exportSecret();
    given.fill(0);
    assert.deepEqual(exported, secret(9));
    exported.fill(0);
    assert.deepEqual(core.exportSecret(), secret(9));
    assert.equal(core.address(), new Signer(secret(9)).address);
  });

  it("generates a key when none is given", () => {
    const addresses = Array.from({ length: 20 }, () => new Core({ ...config(1), secret: undefined }).address());
    assert.equal(new Set(addresses).size, 20);
    const core = new Core({ ...config(1), secret: undefined });
    assert.equal(new Signer(core.exportSecret()).address, core.address());
  });

  it("makes a wallet whose key is elsewhere, which signs nothing by itself", () => {
    const key = new Signer(secret(5));
    const core = new Core({ ...config(1), secret: undefined, address: key.address });
    assert.equal(core.address(), key.address);
    assert.throws(() => core.exportSecret(), coded("KEY_ELSEWHERE"));
    const quote = { contentRoot: `0x${"c0".repeat(32)}`, length: 1, chunkSize: 1, chunks: 1, price: 1n, asset: NATIVE };
    const terms = {
      ...quote,
      unit: "chunk",
      units: 1,
      credit: 0n,
      challengeDuration: HOUR,
      confirmations: 1,
      expiresAt: T0,
    };
    assert.throws(() => core.signQuote(terms), coded("KEY_ELSEWHERE"));
    assert.throws(() => new Core({ ...config(1), address: key.address }), coded("INVALID_ARGUMENT", "secret"));

    const id = core.openChannel(openTerms(new Party(2)), T0);
    const outputs = () => {
      const found = [];
      for (let output; (output = core.pollOutput());) found.push(output);
      return found;
    };
    const [commit] = outputs().filter(({ type }) => type === "commit");
    core.committed(commit.id, T0);
    const sign = outputs().find(({ type }) => type === "sign");
    assert.deepEqual([sign.channelId, sign.purpose, sign.digest.length], [id, "state", 32]);
    assert.throws(() => core.signed(secret(7), key.sign(secret(7)), T0), coded("UNKNOWN_SIGNATURE"));
    const other = new Signer(secret(6)).sign(sign.digest);
    assert.throws(() => core.signed(sign.digest, other, T0), coded("SIGNATURE_WRONG_SIGNER"));
    core.signed(sign.digest, key.sign(sign.digest), T0);
    assert.throws(() => core.signRefused(sign.digest, T0), coded("UNKNOWN_SIGNATURE"));
    const [stored] = outputs().filter(({ type }) => type === "commit");
    core.committed(stored.id, T0);
    assert.deepEqual(
      outputs().flatMap(({ type, purpose }) => (type === "sign" ? [purpose] : [])),
      ["message"],
    );
  });

  it("takes a Uint8Array of another realm, and a view into a larger buffer", () => {
    const empty = keccak256(new Uint8Array(0));
    assert.equal(Buffer.from(empty).toString("hex").slice(0, 8), "c5d24601");
    const foreign = runInContext("new Uint8Array([1, 2, 3])", createContext());
    assert.equal(foreign instanceof Uint8Array, false);
    const own = keccak256(Uint8Array.of(1, 2, 3));
    assert.deepEqual(keccak256(foreign), own);
    assert.deepEqual(keccak256(Uint8Array.of(9, 1, 2, 3, 9).subarray(1, 4)), own);
    assert.deepEqual(keccak256(Buffer.from([1, 2, 3])), own);
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    shared.set([1, 2, 3]);
    assert.deepEqual(keccak256(shared), own);
  });

  it("survives every kind of nonsense in every argument", () => {
    const [payer, payee] = [new Party(1), new Party(2)];
    const id = openBetween(payer, payee);
    const { core } = payer;
    const memo = `0x${"00".repeat(32)}`;
    const signer = new Signer(secret(3));
    const digest = secret(4);
    const record = { key: id, version: 1, bytes: new Uint8Array(3) };
    const aLog = { address: account(1), topics: [], data: new Uint8Array(0), block: 1, logIndex: 0 };
    const update = { fromBlock: 0, headBlock: 0, headTime: 0, logs: [] };
    const terms = openTerms(payee, { kind: "stream", payeeDeposit: 0n, reserve: 0n });
    const quote = {
      contentRoot: memo,
      length: 1,
      chunkSize: 1,
      chunks: 1,
      unit: "chunk",
      units: 1,
      credit: 0n,
      price: 1n,
      asset: NATIVE,
      challengeDuration: HOUR,
      confirmations: 1,
      expiresAt: T0,
    };
    const fields = (object, call) =>
      Object.keys(object).map((field) => [field, (x) => call({ ...object, [field]: x })]);
    const calls = [
      ["Core", (x) => new Core(x)],
      ...fields(config(1, { policy: {}, maxLoaded: 5 }), (x) => new Core(x)),
      ...fields({ payments: 1, amount: 1n }, (lease) => new Core(config(1, { lease }))),
      ["address", (x) => new Core({ ...config(1), secret: undefined, address: x })],
      ["lease", (lease) => new Core(config(1, { lease }))],
      ...[
        "minDeposit",
        "exitCost",
        "maxContribution",
        "answerTimeout",
        "minChallengeDuration",
        "maxChallengeDuration",
        "minConfirmations",
        "maxConfirmations",
        "maxUnfunded",
        "assets",
      ].map((name) => [name, (x) => new Core(config(1, { policy: { [name]: x } }))]),
      ["openChannel", (x) => core.openChannel(x, T0)],
      ["openChannel now", (x) => core.openChannel(terms, x)],
      ...fields(terms, (x) => core.openChannel(x, T0)),
      ["pay id", (x) => core.pay(x, 1n, { memo }, 0, T0)],
      ["pay amount", (x) => core.pay(id, x, { memo }, 0, T0)],
      ["pay purchase", (x) => core.pay(id, 1n, x, 0, T0)],
      ["pay memo", (x) => core.pay(id, 1n, { memo: x }, 0, T0)],
      ["pay origin", (x) => core.pay(id, 1n, { origin: x }, 0, T0)],
      ["hold", (x) => core.hold(x, T0)],
      ["answered id", (x) => core.answered(x, true, T0)],
      ["answered", (x) => core.answered(1, x, T0)],
      ["pay ticks", (x) => core.pay(id, 1n, { memo }, x, T0)],
      ["pay now", (x) => core.pay(id, 1n, { memo }, 0, x)],
      ...["topUp", "giveBack", "withdraw"].flatMap((name) => [
        [name, (x) => core[name](x, 1n, T0)],
        [`${name} amount`, (x) => core[name](id, x, T0)],
        [`${name} now`, (x) => core[name](id, 1n, x)],
      ]),
      ...[
        "fold",
        "snapshot",
        "clearChallenge",
        "ping",
        "closeChannel",
        "leaveChannel",
        "abortChannel",
        "resume",
      ].flatMap((name) => [
        [name, (x) => core[name](x, T0)],
        [`${name} now`, (x) => core[name](id, x)],
      ]),
      ["message", (x) => core.message(x, T0)],
      ["message now", (x) => core.message(new Uint8Array(3), x)],
      ["payment", (x) => core.payment(x, T0)],
      ["chainUpdate", (x) => core.chainUpdate(x, T0)],
      ...fields(update, (x) => core.chainUpdate(x, T0)),
      ...fields(aLog, (x) => core.chainUpdate({ ...update, logs: [x] }, T0)),
      ["call", (call) => core.chainUpdate({ ...update, logs: [{ ...aLog, call }] }, T0)],
      ["transactionFailed", (x) => core.transactionFailed(x, "deposit", T0)],
      ["transactionFailed kind", (x) => core.transactionFailed(id, x, T0)],
      ["transactionFailed now", (x) => core.transactionFailed(id, "deposit", x)],
      ...["committed", "commitFailed"].flatMap((name) => [
        [name, (x) => core[name](x, T0)],
        [`${name} now`, (x) => core[name](1, x)],
      ]),
      ["loaded", (x) => core.loaded(x, T0)],
      ["loaded one", (x) => core.loaded([x], T0)],
      ["loaded now", (x) => core.loaded([record], x)],
      ...fields(record, (x) => core.loaded([x], T0)),
      ["restore", (x) => core.restore(x, T0)],
      ["restore one", (x) => core.restore([x], T0)],
      ["restore now", (x) => core.restore([record], x)],
      ["signed digest", (x) => core.signed(x, new Uint8Array(65), T0)],
      ["signed", (x) => core.signed(digest, x, T0)],
      ["signed now", (x) => core.signed(digest, signer.sign(digest), x)],
      ["signRefused", (x) => core.signRefused(x, T0)],
      ["signRefused now", (x) => core.signRefused(digest, x)],
      ["channel", (x) => core.channel(x)],
      ["claim", (x) => core.claim(x)],
      ["signQuote", (x) => core.signQuote(x)],
      ...fields(quote, (x) => core.signQuote(x)),
      ["readQuote", (x) => core.readQuote(x, T0)],
      ["tick", (x) => core.tick(x)],
      ["Signer", (x) => new Signer(x)],
      ["sign", (x) => signer.sign(x)],
      ["keccak256", (x) => keccak256(x)],
      ["signDigest secret", (x) => signDigest(x, digest)],
      ["signDigest digest", (x) => signDigest(secret(3), x)],
      ["recoverAddress", (x) => recoverAddress(digest, x)],
      ["decodePayment", (x) => decodePayment(x)],
      ["claimOf voucher", (x) => claimOf(x, new Uint8Array(3))],
      ["claimOf tick", (x) => claimOf(new Uint8Array(3), x)],
    ];
    // The commands that succeed by chance are not what this is about: close, leave and pay now change the channel.
    let refused = 0;
    for (const [name, call] of calls)
      for (const [index, value] of NONSENSE.entries())
        if (codeOf(() => call(value), `${name}, nonsense ${index}`)) refused += 1;
    assert.ok(refused > calls.length * 30, `${refused} of ${calls.length * NONSENSE.length} refused`);
    // Still alive, and still the same wallet.
    assert.equal(core.address(), new Signer(secret(1)).address);
    assert.equal(core.channel(id).id, id);
  });

  it("is not locked by an argument that calls back", () => {
    const { core } = new Party(1);
    let inner;
    const terms = {
      ...openTerms(new Party(2)),
      get deposit() {
        inner = core.channels();
        return 5_000n;
      },
    };
    const id = core.openChannel(terms, T0);
    assert.deepEqual(inner, []);
    assert.equal(core.channel(id).deposit, 5_000n);
    const throwing = {
      get deposit() {
        core.tick(T0);
        throw new Error("no");
      },
    };
    const wrong = Object.defineProperties({ ...openTerms(new Party(2)) }, Object.getOwnPropertyDescriptors(throwing));
    assert.throws(() => core.openChannel(wrong, T0), coded("INVALID_ARGUMENT", "deposit"));
    assert.equal(core.channels().length, 1);
  });

  it("says where to begin when the module is not loaded", async () => {
    const { spawnSync } = await import("node:child_process");
    const script = `
      import { Core, MillstreamError, keccak256 } from "millstream";
      for (const call of [() => keccak256(new Uint8Array()), () => new Core({})])
        try { call(); } catch (error) { console.log(error instanceof MillstreamError, error.code); }`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: import.meta.dirname ?? new URL(".", import.meta.url).pathname,
      encoding: "utf8",
    });
    assert.equal(stdout, "true WASM_NOT_LOADED\ntrue WASM_NOT_LOADED\n", stderr);
  });
});
