// Signing, verifying and recovering 32-byte digests, and Keccak-256: the module against what JavaScript has otherwise.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

import { secp256k1 } from "@noble/curves/secp256k1.js";
import * as ethers from "ethers";
import * as tiny from "tiny-secp256k1";
import { isAddressEqual, keccak256 as viemKeccak256, recoverAddress as viemRecoverAddress } from "viem";
import { sign as viemSign } from "viem/accounts";

import { agree, measure } from "./harness.mjs";
import { loadModule } from "./module.mjs";

const RAW = { prehash: false };
/** Digests differ from call to call, so that nothing can be remembered. A power of two. */
const DIGESTS = 64;

const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;

/** Keccak-256 of the copy of @noble/hashes that @noble/curves uses. */
export async function nobleKeccak() {
  const curves = createRequire(import.meta.resolve("@noble/curves/secp256k1.js"));
  const { keccak_256 } = await import(pathToFileURL(curves.resolve("@noble/hashes/sha3.js")).href);
  return keccak_256;
}

/** One key and the digests it signs, in every form that a peer takes. */
function material(wasm) {
  const secret = ethers.getBytes(ethers.id("bench"));
  const signer = new wasm.Signer(secret);
  const signingKey = new ethers.SigningKey(secret);
  const cases = Array.from({ length: DIGESTS }, (_, i) => {
    const digest = ethers.getBytes(ethers.id(`digest ${i}`));
    const signature = signer.sign(digest);
    return {
      digest,
      digestHex: hex(digest),
      signature,
      signatureHex: hex(signature),
      compact: signature.slice(0, 64),
      recovery: signature[64] - 27,
      // @noble/curves puts the recovery id first
      recovered: Uint8Array.of(signature[64] - 27, ...signature.subarray(0, 64)),
      ethersSignature: ethers.Signature.from(hex(signature)),
    };
  });
  return { secret, secretHex: hex(secret), signer, signingKey, publicKey: signer.publicKey, cases };
}

/** The peers of each operation; `run` takes a number and returns what the peer returns. */
function peersOf(wasm, nobleKeccak256) {
  const { secret, secretHex, signer, signingKey, publicKey, cases } = material(wasm);
  const { address } = signer;
  const pick = (i) => cases[i & (DIGESTS - 1)];
  const each = (run) => (i) => run(pick(i));

  const sign = [
    { name: "wasm", run: each((c) => signer.sign(c.digest)) },
    { name: "tiny-secp256k1", run: each((c) => tiny.sign(c.digest, secret)) },
    { name: "tiny-secp256k1-recoverable", run: each((c) => tiny.signRecoverable(c.digest, secret)) },
    { name: "noble", run: each((c) => secp256k1.sign(c.digest, secret, RAW)) },
    { name: "viem", run: each((c) => viemSign({ hash: c.digestHex, privateKey: secretHex, to: "hex" })) },
    { name: "ethers", run: each((c) => signingKey.sign(c.digestHex)) },
  ];

  const verifyOf = {
    wasm: (c, digest) => wasm.verifySignature(publicKey, digest, c.signature),
    "tiny-secp256k1": (c, digest) => tiny.verify(digest, publicKey, c.compact, true),
    noble: (c, digest) => secp256k1.verify(c.compact, digest, publicKey, RAW),
    // viem and ethers know addresses only: they recover and compare
    viem: async (c, _, hash) => isAddressEqual(await viemRecoverAddress({ hash, signature: c.signatureHex }), address),
    ethers: (c, _, hash) => ethers.recoverAddress(hash, c.ethersSignature).toLowerCase() === address,
  };
  const verify = Object.entries(verifyOf).map(([name, run]) => ({
    name,
    run: each((c) => run(c, c.digest, c.digestHex)),
  }));

  const recover = [
    { name: "wasm", run: each((c) => wasm.recoverAddress(c.digest, c.signature)) },
    { name: "tiny-secp256k1", run: each((c) => tiny.recover(c.digest, c.compact, c.recovery, true)) },
    { name: "noble", run: each((c) => secp256k1.recoverPublicKey(c.recovered, c.digest, RAW)) },
    { name: "viem", run: each((c) => viemRecoverAddress({ hash: c.digestHex, signature: c.signatureHex })) },
    { name: "ethers", run: each((c) => ethers.SigningKey.recoverPublicKey(c.digestHex, c.ethersSignature)) },
  ];

  const keccak = [
    { name: "wasm", run: each((c) => wasm.keccak256(c.digest)) },
    { name: "noble", run: each((c) => nobleKeccak256(c.digest)) },
    { name: "viem", run: each((c) => viemKeccak256(c.digest, "bytes")) },
    { name: "ethers", run: each((c) => ethers.keccak256(c.digest)) },
  ];

  return { sign, verify, recover, keccak, verifyOf, cases, address };
}

/** Checks every peer's results against the others', on a few digests. */
async function check({ sign, recover, keccak, verifyOf, cases, address }) {
  const by = (peers, i) =>
    Promise.all(peers.map(async ({ name, run }) => [name, await run(i)])).then((all) => Object.fromEntries(all));
  const addressOf = (key) => ethers.computeAddress(typeof key === "string" ? key : hex(key)).toLowerCase();
  for (const i of [0, 1, 2]) {
    const signed = await by(sign, i);
    agree("r and s", {
      wasm: hex(signed.wasm.subarray(0, 64)),
      "tiny-secp256k1": hex(signed["tiny-secp256k1"]),
      "tiny-secp256k1-recoverable": hex(signed["tiny-secp256k1-recoverable"].signature),
      noble: hex(signed.noble),
      viem: signed.viem.slice(0, 130),
      ethers: signed.ethers.r + signed.ethers.s.slice(2),
    });
    agree("recovery id", {
      wasm: signed.wasm[64] - 27,
      "tiny-secp256k1-recoverable": signed["tiny-secp256k1-recoverable"].recoveryId,
      viem: Number.parseInt(signed.viem.slice(130), 16) - 27,
      ethers: signed.ethers.yParity,
    });
    const other = cases[i + 1];
    for (const [name, verify] of Object.entries(verifyOf)) {
      agree("signature of the digest", {
        expected: true,
        [name]: await verify(cases[i], cases[i].digest, cases[i].digestHex),
      });
      agree("signature of another digest", {
        expected: false,
        [name]: await verify(cases[i], other.digest, other.digestHex),
      });
    }
    const recovered = await by(recover, i);
    agree("recovered address", {
      expected: address,
      wasm: recovered.wasm,
      "tiny-secp256k1": addressOf(recovered["tiny-secp256k1"]),
      noble: addressOf(recovered.noble),
      viem: recovered.viem.toLowerCase(),
      ethers: addressOf(recovered.ethers),
    });
    const hashed = await by(keccak, i);
    agree("Keccak-256", {
      wasm: hex(hashed.wasm),
      noble: hex(hashed.noble),
      viem: hex(hashed.viem),
      ethers: hashed.ethers,
    });
  }
}

/** @param {import("./harness.mjs").Duration} duration */
export async function run(duration) {
  const peers = peersOf(await loadModule(), await nobleKeccak());
  await check(peers);
  const operations = [];
  for (const key of ["sign", "verify", "recover", "keccak"]) operations.push(await measure(key, peers[key], duration));
  return { title: "digests of 32 bytes", operations };
}
