// A whole voucher: EIP-712 hashing and the signature. The module is measured with all that a wallet does beside it, its
// checks, its record and its outputs, because that is what a payment costs; the peers sign and verify typed data.

import * as ethers from "ethers";
import * as tiny from "tiny-secp256k1";
import { verifyTypedData } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { CHAIN_ID, MEMO, PAYER_SECRET, STREAM_APP, openChannel } from "./channel.mjs";
import { nobleKeccak } from "./crypto.mjs";
import { agree, measure } from "./harness.mjs";
import { loadModule } from "./module.mjs";

const domain = { name: "Millstream", version: "1", chainId: CHAIN_ID, verifyingContract: STREAM_APP };
const types = {
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
const primaryType = "Voucher";
const BASE_TURN = 1;
/** A power of two. */
const SIGNED = 64;

const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;

const voucher = (channelId, serial) => ({
  channelId,
  baseTurn: BASE_TURN,
  serial,
  cumulativeAmount: BigInt(serial),
  tickTip: ethers.ZeroHash,
  tickPrice: 0n,
  tickLimit: 0,
  memo: MEMO,
});

/** Hashing by hand, as a page would do that uses libsecp256k1: the constant parts are hashed once. */
function digester(keccak256) {
  const typeHash = ethers.getBytes(ethers.id(ethers.TypedDataEncoder.from(types).encodeType(primaryType)));
  const separator = ethers.getBytes(ethers.TypedDataEncoder.hashDomain(domain));
  const struct = Buffer.alloc(9 * 32);
  struct.set(typeHash);
  const message = Buffer.alloc(66);
  message.set([0x19, 0x01]);
  message.set(separator, 2);
  const bytes = (at, value) => struct.write(value.slice(2), at * 32, "hex");
  const uint = (at, value) => bytes(at, `0x${value.toString(16).padStart(64, "0")}`);
  return (v) => {
    bytes(1, v.channelId);
    uint(2, v.baseTurn);
    uint(3, v.serial);
    uint(4, v.cumulativeAmount);
    bytes(5, v.tickTip);
    uint(6, v.tickPrice);
    uint(7, v.tickLimit);
    bytes(8, v.memo);
    message.set(keccak256(struct), 34);
    return keccak256(message);
  };
}

async function setUp() {
  const wasm = await loadModule();
  const channel = openChannel(wasm);
  const account = privateKeyToAccount(hex(PAYER_SECRET));
  const wallet = new ethers.Wallet(hex(PAYER_SECRET));
  const digest = digester(await nobleKeccak());
  const publicKey = new wasm.Signer(PAYER_SECRET).publicKey;
  const address = channel.payer.core.address();

  const signed = [];
  for (let i = 0; i < SIGNED; i += 1) {
    const message = voucher(channel.channelId, i + 1);
    const payment = channel.pay();
    const fields = wasm.decodePayment(payment);
    const signature = hex(fields.signature);
    for (const [name, value] of Object.entries(message)) agree(name, { expected: value, wasm: fields[name] });
    signed.push({ message, payment, signature, compact: fields.signature.slice(0, 64) });
  }
  const each = (run) => (i) => run(signed[i & (SIGNED - 1)]);

  const sign = {
    "tiny-secp256k1": (c) => tiny.sign(digest(c.message), PAYER_SECRET),
    viem: (c) => account.signTypedData({ domain, types, primaryType, message: c.message }),
    ethers: (c) => wallet.signTypedData(domain, types, c.message),
  };
  const verify = {
    "tiny-secp256k1": (c, message) => tiny.verify(digest(message), publicKey, c.compact, true),
    viem: (c, message) => verifyTypedData({ address, domain, types, primaryType, message, signature: c.signature }),
    ethers: (c, message) => ethers.verifyTypedData(domain, types, message, c.signature).toLowerCase() === address,
  };

  for (const c of signed.slice(0, 3)) {
    agree("signature of a voucher", {
      wasm: c.signature,
      "tiny-secp256k1": hex(await sign["tiny-secp256k1"](c)) + c.signature.slice(130),
      viem: await sign.viem(c),
      ethers: await sign.ethers(c),
    });
    const forged = { ...c.message, cumulativeAmount: c.message.cumulativeAmount + 1n };
    for (const [name, run] of Object.entries(verify)) {
      agree("signature of the voucher", { expected: true, [name]: await run(c, c.message) });
      agree("signature of another voucher", { expected: false, [name]: await run(c, forged) });
    }
  }
  for (const { payment } of signed) channel.accept(payment);
  return { channel, sign, verify, each };
}

/** The payee took in everything, no more and no less: what was timed was accepting. */
function checkAccepted({ channel: { payer, payee, channelId } }) {
  const [paid, received] = [payer, payee].map(({ core }) => core.channel(channelId).cumulativeAmount);
  agree("paid and received", { payer: paid, payee: received });
}

/** @param {import("./harness.mjs").Duration} duration */
export async function run(duration) {
  const setting = await setUp();
  const { channel, sign, verify, each } = setting;
  const others = (runs) => Object.entries(runs).map(([name, run]) => ({ name, run: each((c) => run(c, c.message)) }));
  const operations = [];
  operations.push(
    await measure(
      "voucher.sign",
      [{ name: "wasm", key: "voucher.pay", run: () => channel.pay() }, ...others(sign)],
      duration,
    ),
  );
  // what was only signed so far must arrive in order, or the next payments would be refused
  channel.accept(channel.pay());
  const accept = {
    name: "wasm",
    key: "voucher.accept",
    prepare: (count) => Array.from({ length: count }, () => channel.pay()),
    run: channel.accept,
  };
  operations.push(await measure("voucher.verify", [accept, ...others(verify)], duration));
  checkAccepted(setting);
  return { title: "vouchers", operations };
}
