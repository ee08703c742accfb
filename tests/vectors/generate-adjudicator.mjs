// Writes adjudicator.json: selectors, topics, calldata, logs and status words, by ethers and the published package from
// the contracts' published ABI. States are those of nitro.json and edges.json, named by file and position.
//
//     node tests/vectors/generate-adjudicator.mjs
//
// The result is the same on every run. Nothing of this project takes part in it.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

import * as ethers from "ethers";

const require = createRequire(import.meta.url);
const nitro = require("@statechannels/nitro-protocol");
const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));

const abi = new ethers.Interface(nitro.ContractArtifacts.NitroAdjudicatorArtifact.abi);
const files = { nitro: read("nitro.json"), edges: read("edges.json") };

const functions = {};
abi.forEachFunction(({ name, selector }) => (functions[name] = selector));
const events = {};
abi.forEachEvent(({ name, topicHash }) => (events[name] = topicHash));

const stateAt = ([file, index]) => files[file].states[index];
const fixedPart = (at) => nitro.getFixedPart(stateAt(at).state);
const signature = (bytes) => {
  const { r, s, v } = ethers.Signature.from(bytes);
  return { r, s, v };
};
const signed = (at) => ({
  variablePart: nitro.getVariablePart(stateAt(at).state),
  sigs: stateAt(at).sigs.map(({ sig }) => signature(sig)),
});

const calls = [];
const call = (name, args, values) => calls.push({ name, ...args, data: abi.encodeFunctionData(name, values) });

const pairs = [
  { proof: [], candidate: ["nitro", 0] },
  { proof: [["nitro", 1]], candidate: ["nitro", 3] },
  {
    proof: [
      ["nitro", 2],
      ["edges", 2],
    ],
    candidate: ["edges", 0],
  },
  { proof: [], candidate: ["edges", 1] },
];
for (const { proof, candidate } of pairs) {
  const [fixed, proofs, last] = [fixedPart(candidate), proof.map(signed), signed(candidate)];
  const challengerSig = stateAt(candidate).challengeSig;
  call("challenge", { proof, candidate, challengerSig }, [fixed, proofs, last, signature(challengerSig)]);
  call("checkpoint", { proof, candidate }, [fixed, proofs, last]);
  call("conclude", { candidate }, [fixed, last]);
  call("concludeAndTransferAllAssets", { candidate }, [fixed, last]);
  const { channelId, stateHash, state } = stateAt(candidate);
  call("transferAllAssets", { candidate, stateHash }, [channelId, state.outcome, stateHash]);
  call("transferAllAssets", { candidate, stateHash: ethers.ZeroHash }, [channelId, state.outcome, ethers.ZeroHash]);
}

const token = ethers.getAddress("0x" + "c0".repeat(20));
for (const [asset, expectedHeld, amount] of [
  [ethers.ZeroAddress, 0n, 1n],
  [token, 2n ** 64n, 2n ** 256n - 1n],
]) {
  const channelId = files.nitro.states[0].channelId;
  call("deposit", { asset, channelId, expectedHeld: `${expectedHeld}`, amount: `${amount}` }, [
    asset,
    channelId,
    expectedHeld,
    amount,
  ]);
  call("holdings", { asset, channelId }, [asset, channelId]);
  call("statusOf", { channelId }, [channelId]);
  call("unpackStatus", { channelId }, [channelId]);
}
const reclaimArgs = {
  sourceChannelId: files.nitro.states[2].channelId,
  sourceStateHash: files.nitro.states[2].stateHash,
  sourceOutcomeBytes: files.nitro.states[2].encodedOutcome,
  sourceAssetIndex: 0,
  indexOfTargetInSource: 2,
  targetStateHash: files.nitro.states[3].stateHash,
  targetOutcomeBytes: files.nitro.states[3].encodedOutcome,
  targetAssetIndex: 1,
};
call("reclaim", reclaimArgs, [reclaimArgs]);
const erc20 = new ethers.Interface(["function approve(address spender, uint256 amount) returns (bool)"]);
calls.push({
  name: "approve",
  spender: token,
  amount: `${2n ** 256n - 1n}`,
  data: erc20.encodeFunctionData("approve", [token, 2n ** 256n - 1n]),
});

const logs = [];
const log = (name, args, values) => logs.push({ name, ...args, ...abi.encodeEventLog(name, values) });
const channelId = files.nitro.states[1].channelId;
const large = 2n ** 256n - 1n;
const time = 2 ** 48 - 1;
log("Deposited", { channelId, asset: token, holdings: `${large}` }, [channelId, token, large]);
log("AllocationUpdated", { channelId, assetIndex: "3", initialHoldings: `${large}`, finalHoldings: "7" }, [
  channelId,
  3,
  large,
  7,
]);
log("Reclaimed", { channelId, assetIndex: "5" }, [channelId, 5]);
log("ChallengeCleared", { channelId, turnNum: time }, [channelId, time]);
log("Checkpointed", { channelId, turnNum: 258 }, [channelId, 258]);
log("Concluded", { channelId, finalizesAt: 1_800_000_000 }, [channelId, 1_800_000_000]);
for (const { proof, candidate } of pairs) {
  const values = [channelId, time, proof.map(signed), signed(candidate)];
  log("ChallengeRegistered", { channelId, finalizesAt: time, proof, candidate }, values);
}

// After a challenge, a checkpoint and a conclusion.
const statuses = [
  { turnNumRecord: 7, finalizesAt: 1_800_000_000, at: ["nitro", 3] },
  { turnNumRecord: 2 ** 48 - 1, finalizesAt: 2 ** 48 - 2, at: ["edges", 0] },
  { turnNumRecord: 258, finalizesAt: 0 },
  { turnNumRecord: 0, finalizesAt: 1_800_000_000, at: ["edges", 1], concluded: true },
].map(({ turnNumRecord, finalizesAt, at, concluded }) => {
  const { state, stateHash, outcomeHash } = at ? stateAt(at) : {};
  const data = { turnNumRecord, finalizesAt, state: concluded ? undefined : state, outcome: state?.outcome };
  const status = nitro.channelDataToStatus(data);
  const fields = [turnNumRecord, finalizesAt, BigInt(ethers.dataSlice(status, 12))];
  return {
    turnNumRecord,
    finalizesAt,
    stateHash: at && !concluded ? stateHash : ethers.ZeroHash,
    outcomeHash: at ? outcomeHash : ethers.ZeroHash,
    status,
    unpacked: abi.encodeFunctionResult("unpackStatus", fields),
  };
});

const { dependencies } = read("../package.json");
const { version } = require("@statechannels/nitro-protocol/package.json");
const generator = `ethers@${dependencies.ethers} + @statechannels/nitro-protocol@${version} (not this project)`;
const out = { generator, functions, events, calls, logs, statuses };
writeFileSync(new URL("adjudicator.json", import.meta.url), JSON.stringify(out, null, 1) + "\n");
