// What the contract tests share: a development chain, and an independent implementation of what is signed, made of
// ethers' ABI coder and EIP-712 encoder after the published Nitro interfaces and the protocol's text, not of our code.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  AbiCoder,
  Interface,
  TypedDataEncoder,
  Wallet,
  ZeroAddress,
  ZeroHash,
  id,
  keccak256,
  toBeHex,
  zeroPadValue,
} from "ethers";

import { startDevChain, waitForReceipt } from "../dev-chain.mjs";

const coder = AbiCoder.defaultAbiCoder();

const SIGNATURE = "tuple(uint8 v, bytes32 r, bytes32 s)";
const OUTCOME =
  "tuple(address asset, tuple(uint8 assetType, bytes metadata) assetMetadata, tuple(bytes32 destination, uint256 amount, uint8 allocationType, bytes metadata)[] allocations)[]";
const VOUCHER =
  "tuple(bytes32 channelId, uint48 baseTurn, uint32 serial, uint128 cumulativeAmount, bytes32 tickTip, uint128 tickPrice, uint8 tickLimit, bytes32 memo)";
const CLAIM = `tuple(${VOUCHER} voucher, ${SIGNATURE} signature, uint8 ticks, bytes32 preimage)`;

/** EIP-712 types of the protocol's vouchers. */
export const VOUCHER_TYPES = {
  Voucher: [
    { name: "channelId", type: "bytes32" },
    { name: "baseTurn", type: "uint48" },
    { name: "serial", type: "uint32" },
    { name: "cumulativeAmount", type: "uint128" },
    { name: "tickTip", type: "bytes32" },
    { name: "tickPrice", type: "uint128" },
    { name: "tickLimit", type: "uint8" },
    { name: "memo", type: "bytes32" },
  ],
};

export const HOUR = 3_600;

/** The most that a transaction may use on Ethereum (EIP-7825). */
export const GAS_LIMIT = 2 ** 24;

/** Order of the secp256k1 group (SEC 2, 2.4.1). */
export const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** A key of the tests, the same at every run. */
export const key = (name) => new Wallet(id(`millstream contract tests: ${name}`));

/** An account that has never held anything. */
export const freshAddress = (name) => key(`destination ${name}`).address;

export const pad = (address) => zeroPadValue(address, 32);

// --- Nitro: hashes and signatures ---

export function channelId(fixed) {
  return keccak256(
    coder.encode(
      ["address[]", "uint64", "address", "uint48"],
      [fixed.participants, fixed.channelNonce, fixed.appDefinition, fixed.challengeDuration],
    ),
  );
}

export const encodeOutcome = (outcome) => coder.encode([OUTCOME], [outcome]);

export function stateHash(fixed, state) {
  return keccak256(
    coder.encode(
      ["bytes32", "bytes", OUTCOME, "uint48", "bool"],
      [channelId(fixed), state.appData, state.outcome, state.turnNum, state.isFinal],
    ),
  );
}

const eip191 = (hash) =>
  keccak256(`0x${Buffer.from("\x19Ethereum Signed Message:\n32").toString("hex")}${hash.slice(2)}`);

const parts = ({ v, r, s }) => ({ v, r, s });

export const signDigest = (signer, digest) => parts(signer.signingKey.sign(digest));

/** The state with the signatures of these keys, as the adjudicator takes it. */
export const signed = (fixed, state, ...signers) => ({
  variablePart: state,
  sigs: signers.map((signer) => signDigest(signer, eip191(stateHash(fixed, state)))),
});

export function challengerSignature(fixed, state, signer) {
  return signDigest(
    signer,
    eip191(keccak256(coder.encode(["bytes32", "string"], [stateHash(fixed, state), "forceMove"]))),
  );
}

/** Outcome of one asset with simple allocations: [[destination address, amount], ...]. */
export const outcome = (asset, ...allocations) => [
  {
    asset,
    assetMetadata: { assetType: 0, metadata: "0x" },
    allocations: allocations.map(([destination, amount]) => ({
      destination: pad(destination),
      amount,
      allocationType: 0,
      metadata: "0x",
    })),
  },
];

/** Metadata of a guarantee allocation: the destinations that what comes back from the target is shared between. */
export const encodeGuarantee = (left, right) => coder.encode(["bytes32", "bytes32"], [left, right]);

export const state = (turnNum, stateOutcome, { appData = "0x", isFinal = false } = {}) => ({
  outcome: stateOutcome,
  appData,
  turnNum,
  isFinal,
});

// --- Vouchers ---

/** keccak256 applied `times` times. */
export function hashTimes(value, times) {
  for (let i = 0; i < times; i++) value = keccak256(value);
  return value;
}

export const encodeClaim = (claim) => coder.encode([CLAIM], [claim]);

/** The same signature with s replaced by n - s and v flipped: recovers to the same signer, but is not canonical. */
export const highS = ({ v, r, s }) => ({ v: v === 27 ? 28 : 27, r, s: toBeHex(CURVE_ORDER - BigInt(s), 32) });

/**
 * A channel between `payer`, optional `hubs` and `payee`, with everything to make its states and claims.
 * Amounts are base units of `asset`. Amounts and destinations are given as the participants are, payer first; an outcome
 * lists the payee first.
 */
export class Stream {
  static #nonce = 0n;

  constructor(
    env,
    {
      payer = key("payer"),
      payee = key("payee"),
      hubs = [],
      asset = ZeroAddress,
      destinations,
      appDefinition = env.addresses.streamApp,
    } = {},
  ) {
    this.env = env;
    this.payer = payer;
    this.payee = payee;
    this.asset = asset;
    this.everyone = [payer, ...hubs, payee];
    this.destinations = destinations ?? [payer.address, payee.address];
    this.fixed = {
      participants: this.everyone.map((signer) => signer.address),
      channelNonce: ++Stream.#nonce,
      appDefinition,
      challengeDuration: HOUR,
    };
    this.id = channelId(this.fixed);
  }

  outcome(payerAmount, payeeAmount) {
    const [payer, payee] = this.destinations;
    return outcome(this.asset, [payee, payeeAmount], [payer, payerAmount]);
  }

  state(turnNum, payerAmount, payeeAmount, options) {
    return state(turnNum, this.outcome(payerAmount, payeeAmount), options);
  }

  seed(baseTurn, serial) {
    return id(`seed ${this.id} ${baseTurn} ${serial}`);
  }

  /** A claim of `ticks` on voucher `serial`; `change` overrides fields of the voucher before it is signed. */
  claim({
    baseTurn = 1,
    serial = 1,
    cumulativeAmount = 0n,
    tickPrice = 0n,
    tickLimit = 255,
    ticks = 0,
    signer = this.payer,
    domain,
    ...change
  } = {}) {
    const seed = this.seed(baseTurn, serial);
    const voucher = {
      channelId: this.id,
      baseTurn,
      serial,
      cumulativeAmount,
      tickTip: hashTimes(seed, tickLimit),
      tickPrice,
      tickLimit,
      memo: ZeroHash,
      ...change,
    };
    const preimage = hashTimes(seed, tickLimit - ticks);
    return { voucher, signature: this.sign(voucher, { signer, domain }), ticks, preimage };
  }

  sign(voucher, { signer = this.payer, domain = {} } = {}) {
    return signDigest(signer, this.env.voucherDigest(voucher, domain));
  }

  /** The redemption of `claim` on the base amounts, with the turn and amounts that the protocol gives it. */
  redemption(claim, [payerAmount, payeeAmount]) {
    const { baseTurn, serial, cumulativeAmount, tickPrice } = claim.voucher;
    const claimed = cumulativeAmount + BigInt(claim.ticks) * tickPrice;
    return this.state(baseTurn + serial * 256 + claim.ticks, payerAmount - claimed, payeeAmount + claimed, {
      appData: encodeClaim(claim),
    });
  }

  /** Adjudicator calls that settle this channel; each resolves to the transaction's receipt. */
  deposit(amount, { expectedHeld = 0n, from = this.env.accounts[1] } = {}) {
    const value = this.asset === ZeroAddress ? amount : 0n;
    return this.env.send(this.env.adjudicator, "deposit", [this.asset, this.id, expectedHeld, amount], { from, value });
  }

  challenge(proof, candidate, by) {
    const challengerSig = challengerSignature(this.fixed, candidate.variablePart, by);
    return this.env.send(this.env.adjudicator, "challenge", [this.fixed, proof, candidate, challengerSig]);
  }

  /** Challenges with a base signed by everyone. */
  challengeWithBase(base, by = this.payer) {
    return this.challenge([], signed(this.fixed, base, ...this.everyone), by);
  }

  /** Challenges with a redemption on `base`. */
  challengeWithClaim(base, redemption, by = this.payee) {
    return this.challenge([signed(this.fixed, base, ...this.everyone)], signed(this.fixed, redemption, this.payee), by);
  }

  checkpoint(proof, candidate) {
    return this.env.send(this.env.adjudicator, "checkpoint", [this.fixed, proof, candidate]);
  }

  /** Checkpoints a redemption on `base`, signed by the payee. */
  checkpointClaim(base, redemption) {
    return this.checkpoint([signed(this.fixed, base, ...this.everyone)], signed(this.fixed, redemption, this.payee));
  }

  payOut(finalState) {
    const args = [this.id, finalState.outcome, stateHash(this.fixed, finalState)];
    return this.env.send(this.env.adjudicator, "transferAllAssets", args);
  }

  conclude(finalState) {
    const candidate = signed(this.fixed, finalState, ...this.everyone);
    return this.env.send(this.env.adjudicator, "concludeAndTransferAllAssets", [this.fixed, candidate]);
  }
}

// --- The chain ---

const contract = (contractName, address) => {
  const { abi, bytecode } = JSON.parse(readFileSync(new URL(`../out/${contractName}.json`, import.meta.url), "utf8"));
  return { address, bytecode, interface: new Interface(abi) };
};

/** A call or transaction was reverted: `error` is { name, args } of a custom error, `Panic` or `Error`; null without data. */
export class Reverted extends Error {
  constructor(data, interfaces) {
    const error = interfaces.map((known) => (data === "0x" ? null : known.parseError(data))).find(Boolean);
    super(error ? `${error.name}(${[...error.args].join(", ")})` : `reverted with ${data}`);
    this.error = error ? { name: error.name, args: [...error.args] } : null;
    this.data = data;
  }
}

/** Starts a chain for one test file; call `stop` in `after`. */
export async function startEnv(options) {
  const chain = await startDevChain(options);
  const { addresses, rpc } = chain;
  const adjudicator = contract("NitroAdjudicator", addresses.adjudicator);
  const streamApp = contract("StreamApp", addresses.streamApp);
  const token = contract("TestToken", addresses.token);
  const interfaces = [streamApp, adjudicator, token].map((known) => known.interface);

  const attempt = async (method, params) => {
    try {
      return await rpc(method, params);
    } catch (error) {
      if (typeof error.data !== "string") throw error;
      throw new Reverted(error.data, interfaces);
    }
  };

  const env = {
    ...chain,
    adjudicator,
    streamApp,
    token,

    async call({ address, interface: abi }, method, args = []) {
      const data = await attempt("eth_call", [{ to: address, data: abi.encodeFunctionData(method, args) }, "latest"]);
      const result = abi.decodeFunctionResult(method, data);
      return result.length === 1 ? result[0] : result;
    },

    async send({ address, interface: abi }, method, args, { from = chain.accounts[0], value = 0n } = {}) {
      const transaction = {
        from,
        to: address,
        data: abi.encodeFunctionData(method, args),
        value: toHex(value),
        gas: toHex(GAS_LIMIT),
      };
      await attempt("eth_call", [transaction, "latest"]); // a transaction that fails has a receipt, but no reason
      const receipt = await waitForReceipt(rpc, await rpc("eth_sendTransaction", [transaction]));
      assert.equal(receipt.status, "0x1");
      return { ...receipt, gas: Number(receipt.gasUsed) };
    },

    /** EIP-712 digest by ethers' encoder; `domain` overrides the chain id or the contract. */
    voucherDigest(voucher, domain = {}) {
      return TypedDataEncoder.hash(
        { name: "Millstream", version: "1", chainId: chain.chainId, verifyingContract: addresses.streamApp, ...domain },
        VOUCHER_TYPES,
        voucher,
      );
    },

    async balance(asset, address) {
      if (asset === ZeroAddress) return BigInt(await rpc("eth_getBalance", [address, "latest"]));
      return env.call(token, "balanceOf", [address]);
    },

    holdings: (asset, id) => env.call(adjudicator, "holdings", [asset, id]),

    /** Gives `account` tokens and lets the adjudicator take them. */
    async fundTokens(account, amount) {
      await env.send(token, "mint", [account, amount]);
      await env.send(token, "approve", [addresses.adjudicator, amount], { from: account });
    },

    async passChallenge() {
      await rpc("evm_increaseTime", [HOUR + 1]);
      await rpc("evm_mine");
    },

    /** What the app contract says of a state with these signers (bit i for participant i), straight from the contract. */
    isSupported(stream, proof, candidate) {
      const recovered = ([variablePart, signedBy]) => ({ variablePart, signedBy });
      return env.call(streamApp, "stateIsSupported", [stream.fixed, proof.map(recovered), recovered(candidate)]);
    },
  };
  return env;
}

const toHex = (value) => `0x${value.toString(16)}`;

/** Asserts that `promise` is reverted with this custom error and exactly these arguments. */
export async function assertReverts(promise, name, args = []) {
  await assert.rejects(promise, (reverted) => {
    assert.ok(reverted instanceof Reverted, reverted);
    assert.deepEqual(reverted.error, { name, args }, reverted.message);
    return true;
  });
}

/** For `assert.rejects`: reverted by a `require` with exactly this reason. */
export const refusedWith = (reason) => (reverted) => {
  assert.ok(reverted instanceof Reverted, reverted);
  assert.deepEqual(reverted.error, { name: "Error", args: [reason] });
  return true;
};

/** For `assert.rejects`: reverted without any data. */
export const refusedSilently = (reverted) => {
  assert.ok(reverted instanceof Reverted, reverted);
  assert.equal(reverted.data, "0x");
  return true;
};
