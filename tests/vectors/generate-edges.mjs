// Writes edges.json: what nitro.json leaves out (several assets, tokens, metadata, the largest numbers, one and many
// participants), in the same shape and by the same published package.
//
//     node tests/vectors/generate-edges.mjs
//
// The result is the same on every run. Nothing of this project takes part in it.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

import * as ethers from "ethers";

const require = createRequire(import.meta.url);
const nitro = require("@statechannels/nitro-protocol");
const { hashChallengeMessage } = require("@statechannels/nitro-protocol/dist/src/contract/challenge.js");

const keys = Object.fromEntries(["A", "B", "C"].map((name) => [name, ethers.id(`edges ${name}`)]));
const address = Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, ethers.computeAddress(key)]));
// Signers whose keys the file does not tell, so that they are checked by recovery alone.
const strangers = Array.from({ length: 9 }, (_, i) => ethers.id(`edges stranger ${i}`));
const signers = [...Object.values(keys), ...strangers];
const keyOf = Object.fromEntries(signers.map((key) => [ethers.computeAddress(key), key]));

const pad = (value) => ethers.zeroPadValue(value, 32);
const allocation = (destination, amount, allocationType = 0, metadata = "0x") => ({
  destination,
  amount: ethers.toBeHex(amount),
  allocationType,
  metadata,
});
const exit = (asset, allocations, assetType = 0, metadata = "0x") => ({
  asset,
  assetMetadata: { assetType, metadata },
  allocations,
});
const guarantee = { left: pad(address.A), right: pad(address.B) };
const guaranteeMetadata = {
  ...guarantee,
  encoded: ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32"], [guarantee.left, guarantee.right]),
};
const token = ethers.getAddress("0x" + "c0".repeat(20));
const app = ethers.getAddress("0x" + "a9".repeat(20));

const inputs = {
  "several assets": {
    participants: [address.A, address.B, address.C],
    channelNonce: "9007199254740993",
    appDefinition: app,
    challengeDuration: 3600,
    appData: "0x" + "5a".repeat(33),
    outcome: [
      exit(ethers.ZeroAddress, [
        allocation(pad(address.A), 2n ** 64n),
        allocation(pad(address.B), 0n),
        allocation(ethers.id("a channel"), 10n ** 18n, 2, guaranteeMetadata.encoded),
      ]),
      exit(token, [allocation(pad(address.B), 2n ** 128n - 1n), allocation(pad(address.C), 2n ** 256n - 1n)]),
      exit(token, [allocation(pad(address.C), 1n, 1, "0x" + "00".repeat(31) + "01ff")], 1, "0x1234"),
      exit(token, [], 2),
      exit(ethers.ZeroAddress, [], 3, "0x" + "ee".repeat(64)),
    ],
    turnNum: 77,
    isFinal: false,
  },
  "largest numbers": {
    participants: [address.C, address.A],
    channelNonce: (2n ** 64n - 1n).toString(),
    appDefinition: "0x" + "ff".repeat(20),
    challengeDuration: 2 ** 48 - 1,
    appData: "0x" + "ff".repeat(100),
    outcome: [exit("0x" + "ff".repeat(20), [allocation("0x" + "ff".repeat(32), 2n ** 256n - 1n, 2, "0xff")])],
    turnNum: 2 ** 48 - 1,
    isFinal: true,
  },
  "no outcome, one participant": {
    participants: [address.B],
    channelNonce: 0,
    appDefinition: ethers.ZeroAddress,
    challengeDuration: 0,
    appData: "0x",
    outcome: [],
    turnNum: 0,
    isFinal: true,
  },
  "many participants and allocations": {
    participants: Object.keys(keyOf),
    channelNonce: "0x0123456789abcdef",
    appDefinition: app,
    challengeDuration: 86400,
    appData: "0x" + "01".repeat(32),
    outcome: [
      exit(
        token,
        Array.from({ length: 40 }, (_, i) =>
          allocation(pad(ethers.toBeHex(i + 1, 20)), 3n ** BigInt(i), i % 3, "0x" + "ab".repeat(i)),
        ),
      ),
    ],
    turnNum: 2 ** 32,
    isFinal: false,
  },
};

const join = ({ r, s, v }) => ethers.concat([r, s, ethers.toBeHex(v, 1)]);
const states = Object.entries(inputs).map(([name, state]) => ({
  name,
  state,
  channelId: nitro.getChannelId(nitro.getFixedPart(state)),
  encodedOutcome: nitro.encodeOutcome(state.outcome),
  outcomeHash: nitro.hashOutcome(state.outcome),
  stateHash: nitro.hashState(state),
  sigs: state.participants.map((signer) => ({
    signer,
    sig: join(nitro.signState(state, keyOf[signer]).signature),
  })),
  challengeHash: hashChallengeMessage(state),
  challengeSig: join(nitro.signChallengeMessage([{ state }], keyOf[state.participants.at(-1)])),
}));

const { Wallet } = require(require.resolve("ethers", { paths: [require.resolve("@statechannels/nitro-protocol")] }));
const vouchers = [];
for (const [payer, key, amount] of [
  [address.A, keys.A, 0n],
  [address.A, keys.A, 2n ** 64n],
  [address.B, keys.B, 2n ** 256n - 1n],
  [ethers.computeAddress(strangers[0]), strangers[0], 10n ** 21n],
]) {
  const channelId = states[0].channelId;
  const signature = await nitro.signVoucher({ channelId, amount: amount.toString() }, new Wallet(key));
  vouchers.push({
    channelId,
    amount: amount.toString(),
    payer,
    hash: ethers.solidityPackedKeccak256(["bytes32", "uint256"], [channelId, amount]),
    signature: join(signature),
    redemptionAppData: nitro.encodeVoucherAmountAndSignature(amount.toString(), signature),
  });
}

const { version } = JSON.parse(readFileSync(require.resolve("@statechannels/nitro-protocol/package.json"), "utf8"));
const generator = `@statechannels/nitro-protocol@${version} (the published package, not this project)`;
const out = { generator, keys, guaranteeMetadata, states, vouchers };
writeFileSync(new URL("edges.json", import.meta.url), JSON.stringify(out, null, 1) + "\n");
