// Writes signatures.json: hashes, digests and signatures by ethers, @noble/curves and libsecp256k1 (tiny-secp256k1),
// which must agree with each other.
//
//     node tests/vectors/generate-signatures.mjs
//
// The result is the same on every run. Nothing of this project takes part in it.
import { readFileSync, writeFileSync } from "node:fs";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import * as ethers from "ethers";
import { signRecoverable } from "tiny-secp256k1";

const { dependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const version = (name) => `${name}@${dependencies[name]}`;

const N = secp256k1.Point.Fn.ORDER;
const HALF_N = N >> 1n;
const word = (number) => ethers.toBeHex(number, 32);
const text = (string) => ethers.hexlify(ethers.toUtf8Bytes(string));

const keccak = [
  "0x",
  text("abc"),
  text("The quick brown fox jumps over the lazy dog"),
  // Around the rate of the sponge, 136 bytes.
  ...[135, 136, 137, 271, 272, 273, 1000].map((length) => "0x" + "a3".repeat(length)),
].map((input) => ({ input, hash: ethers.keccak256(input) }));

const hashes = [word(0n), word(2n ** 256n - 1n), ethers.id("millstream")];
const eip191 = hashes.map((hash) => ({ hash, digest: ethers.hashMessage(ethers.getBytes(hash)) }));

const domains = [
  { name: "Ether Mail", version: "1", chainId: 1n, verifyingContract: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC" },
  { name: "", version: "", chainId: 0n, verifyingContract: ethers.ZeroAddress },
  { name: "Millstream", version: "1", chainId: 2n ** 64n - 1n, verifyingContract: "0x" + "ff".repeat(20) },
];
const mail = {
  Mail: [
    { name: "from", type: "address" },
    { name: "contents", type: "string" },
  ],
};
const message = { from: "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826", contents: "Hello, Bob!" };
const eip712 = domains.map((domain) => ({
  ...domain,
  chainId: domain.chainId.toString(),
  separator: ethers.TypedDataEncoder.hashDomain(domain),
  structHash: ethers.TypedDataEncoder.hashStruct("Mail", mail, message),
  digest: ethers.TypedDataEncoder.hash(domain, mail, message),
}));

const secrets = {
  1: 1n,
  2: 2n,
  "n-1": N - 1n,
  "n-2": N - 2n,
  "n/2": HALF_N,
  a: BigInt(ethers.id("a")),
  b: BigInt(ethers.id("b")),
};
// The last three are not below n, which no hash is in practice. RFC 6979 (2.3.4, bits2octets) reduces them before the
// nonce is derived; libsecp256k1 does not, so it is not asked about them.
const digests = {
  0: 0n,
  1: 1n,
  "n-1": N - 1n,
  hello: BigInt(ethers.id("hello")),
  world: BigInt(ethers.id("world")),
  n: N,
  "n+1": N + 1n,
  "ff..": 2n ** 256n - 1n,
};

const byEthers = (secret, digest) => {
  const key = new ethers.SigningKey(word(secret));
  return key.sign(word(digest)).serialized;
};
const byNoble = (secret, digest) => {
  const options = { prehash: false, format: "recovered", lowS: true };
  const bytes = secp256k1.sign(ethers.getBytes(word(digest)), ethers.getBytes(word(secret)), options);
  return ethers.concat([bytes.slice(1), ethers.toBeHex(27 + bytes[0], 1)]);
};
const byLibsecp256k1 = (secret, digest) => {
  const { signature, recoveryId } = signRecoverable(ethers.getBytes(word(digest)), ethers.getBytes(word(secret)));
  return ethers.concat([signature, ethers.toBeHex(27 + recoveryId, 1)]);
};

const signatures = [];
for (const [secretName, secret] of Object.entries(secrets)) {
  for (const [digestName, digest] of Object.entries(digests)) {
    const signature = byEthers(secret, digest);
    const others = [byNoble(secret, digest), digest < N ? byLibsecp256k1(secret, digest) : signature];
    if (others.some((other) => other !== signature)) throw new Error(`${secretName}, ${digestName}: they disagree`);
    signatures.push({
      name: `secret ${secretName}, digest ${digestName}`,
      secret: word(secret),
      publicKey: ethers.SigningKey.computePublicKey(word(secret), true),
      uncompressed: ethers.SigningKey.computePublicKey(word(secret), false),
      address: ethers.computeAddress(word(secret)).toLowerCase(),
      digest: word(digest),
      signature,
    });
  }
}

// What contracts recover and this project refuses from peers: the same signature with n - s and the other v.
const twins = signatures.map(({ name, digest, address, signature }) => {
  const [r, s, v] = [
    ethers.dataSlice(signature, 0, 32),
    BigInt(ethers.dataSlice(signature, 32, 64)),
    signature.slice(-2),
  ];
  const twin = ethers.concat([r, word(N - s), v === "1b" ? "0x1c" : "0x1b"]);
  // ethers refuses a high s itself, noble recovers it.
  const noble = secp256k1.Signature.fromBytes(ethers.getBytes(ethers.dataSlice(twin, 0, 64)), "compact");
  const point = noble.addRecoveryBit(v === "1b" ? 1 : 0).recoverPublicKey(ethers.getBytes(digest));
  if (ethers.computeAddress("0x" + point.toHex()).toLowerCase() !== address) throw new Error(`${name}: not a twin`);
  return { name, digest, address, signature: twin, low: signature };
});

const sample = signatures.find(({ name }) => name === "secret a, digest hello");
const r = ethers.dataSlice(sample.signature, 0, 32);
const s = ethers.dataSlice(sample.signature, 32, 64);
const v = ethers.dataSlice(sample.signature, 64);
const refused = [
  { name: "empty", signature: "0x", code: "SIGNATURE_LENGTH" },
  { name: "no v", signature: ethers.concat([r, s]), code: "SIGNATURE_LENGTH" },
  { name: "one byte more", signature: ethers.concat([r, s, v, "0x00"]), code: "SIGNATURE_LENGTH" },
  ...[0, 1, 2, 26, 29, 35, 255].map((id) => ({
    name: `v ${id}`,
    signature: ethers.concat([r, s, ethers.toBeHex(id, 1)]),
    code: "SIGNATURE_RECOVERY_ID",
  })),
  { name: "r 0", signature: ethers.concat([word(0n), s, v]), code: "SIGNATURE_INVALID" },
  { name: "s 0", signature: ethers.concat([r, word(0n), v]), code: "SIGNATURE_INVALID" },
  { name: "r n", signature: ethers.concat([word(N), s, v]), code: "SIGNATURE_INVALID" },
  { name: "s n", signature: ethers.concat([r, word(N), v]), code: "SIGNATURE_INVALID" },
  { name: "r ff..", signature: ethers.concat([word(2n ** 256n - 1n), s, v]), code: "SIGNATURE_INVALID" },
  { name: "s ff..", signature: ethers.concat([r, word(2n ** 256n - 1n), v]), code: "SIGNATURE_INVALID" },
  { name: "s n/2 + 1", signature: ethers.concat([r, word(HALF_N + 1n), v]), code: "SIGNATURE_HIGH_S" },
  { name: "s n - 1", signature: ethers.concat([r, word(N - 1n), v]), code: "SIGNATURE_HIGH_S" },
];

// Well-formed numbers from which no key can be recovered: x³ + 7 is no square for this x.
const onCurve = (x) => {
  try {
    secp256k1.Point.fromHex("02" + word(x).slice(2)).assertValidity();
    return true;
  } catch {
    return false;
  }
};
let x = 1n;
while (onCurve(x)) x += 1n;
const unrecoverable = [
  { name: `r ${x} is on no point`, signature: ethers.concat([word(x), s, v]), digest: sample.digest },
];

// A valid signature with a low s that is not the deterministic one, on a voucher in the shape of nitro.json.
const voucher = { channelId: ethers.id("a channel"), amount: "640" };
const hash = ethers.solidityPackedKeccak256(["bytes32", "uint256"], [voucher.channelId, voucher.amount]);
const digest = ethers.getBytes(ethers.hashMessage(ethers.getBytes(hash)));
const other = secp256k1.sign(digest, ethers.getBytes(word(secrets.a)), {
  prehash: false,
  format: "recovered",
  extraEntropy: ethers.getBytes(ethers.id("other nonce")),
});
const otherNonce = {
  key: word(secrets.a),
  voucher: {
    ...voucher,
    payer: ethers.computeAddress(word(secrets.a)),
    hash,
    signature: ethers.concat([other.slice(1), ethers.toBeHex(27 + other[0], 1)]),
  },
};

const out = {
  generator: ["ethers", "@noble/curves", "tiny-secp256k1"].map(version).join(" + ") + " (not this project)",
  keccak,
  eip191,
  eip712,
  signatures,
  twins,
  refused,
  unrecoverable,
  otherNonce,
  refusedSecrets: [0n, N, N + 1n, 2n ** 256n - 1n].map(word),
};
writeFileSync(new URL("signatures.json", import.meta.url), JSON.stringify(out, null, 1) + "\n");
