// The WebAssembly build gives the values of the vectors that the native build is tested against, byte for byte: its field
// arithmetic is another one (32-bit limbs), and it is optimised by another compiler.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";

import init, { keccak256, recoverAddress, signDigest, Signer, verifySignature } from "../dist/millstream_wasm.js";

const vectors = JSON.parse(readFileSync(new URL("../../tests/vectors/signatures.json", import.meta.url), "utf8"));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex.slice(2), "hex"));
const hex = (data) => `0x${Buffer.from(data).toString("hex")}`;
const code = (expected) => (error) => assert.equal(error.code, expected) ?? true;

before(async () => {
  const wasm = readFileSync(new URL("../dist/millstream_wasm_bg.wasm", import.meta.url));
  await init({ module_or_path: wasm });
});

test("hashes", () => {
  assert.ok(vectors.keccak.length >= 10);
  for (const { input, hash } of vectors.keccak) assert.equal(hex(keccak256(bytes(input))), hash);
});

test("signatures, their signers and public keys", () => {
  assert.ok(vectors.signatures.length >= 50);
  for (const { name, secret, publicKey, address, digest, signature } of vectors.signatures) {
    assert.equal(hex(signDigest(bytes(secret), bytes(digest))), signature, name);
    assert.equal(recoverAddress(bytes(digest), bytes(signature)), address, name);
    assert.equal(verifySignature(bytes(publicKey), bytes(digest), bytes(signature)), true, name);
    const other = bytes(digest);
    other[0] ^= 1;
    assert.equal(verifySignature(bytes(publicKey), other, bytes(signature)), false, name);
  }
});

test("a signer that is kept signs the same", () => {
  const { secret, digest, signature, address } = vectors.signatures.at(-1);
  using(new Signer(bytes(secret)), (signer) => {
    assert.equal(hex(signer.sign(bytes(digest))), signature);
    assert.equal(typeof signer.address === "function" ? signer.address() : signer.address, address);
  });
});

test("malleable twins and malformed signatures are refused by name", () => {
  for (const { digest, signature } of vectors.twins)
    assert.throws(() => recoverAddress(bytes(digest), bytes(signature)), code("SIGNATURE_HIGH_S"));
  const digest = bytes(vectors.signatures[0].digest);
  for (const { name, signature, code: expected } of vectors.refused) {
    // A few bytes too many are a wrong length; at the border, far too many are not even copied.
    const codes = expected === "SIGNATURE_LENGTH" ? [expected, "ARGUMENT_TOO_LARGE"] : [expected];
    assert.throws(
      () => recoverAddress(digest, bytes(signature)),
      (error) => codes.includes(error.code),
      name,
    );
  }
});

test("secrets outside the group are refused", () => {
  const digest = bytes(vectors.signatures[0].digest);
  for (const secret of vectors.refusedSecrets)
    assert.throws(() => signDigest(bytes(secret), digest), code("SIGN_INVALID_SECRET"));
});

function using(resource, use) {
  try {
    return use(resource);
  } finally {
    resource.free();
  }
}
