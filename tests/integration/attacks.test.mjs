// Forged, old, foreign and broken payments, sent to a seller over HTTP as anybody could. They are signed by ethers and
// encoded by hand, so that nothing of what they test made them.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Wallet as EthersWallet, ZeroHash, keccak256 } from "ethers";
import { decodePayment } from "millstream";

import { CHUNK, CHUNKS, DEPOSIT, PRICE, World, assertPaidOut, collect, joined, sha256, trade } from "./harness.mjs";

const TYPES = {
  Voucher: [
    ["channelId", "bytes32"],
    ["baseTurn", "uint48"],
    ["serial", "uint32"],
    ["cumulativeAmount", "uint128"],
    ["tickTip", "bytes32"],
    ["tickPrice", "uint128"],
    ["tickLimit", "uint8"],
    ["memo", "bytes32"],
  ].map(([name, type]) => ({ name, type })),
};
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** CBOR (RFC 8949, 3.1) of unsigned integers below 2^32, byte strings and arrays. */
function cbor(value) {
  const head = (major, count) => {
    if (count < 24) return Buffer.from([(major << 5) | count]);
    if (count < 256) return Buffer.from([(major << 5) | 24, count]);
    if (count < 65_536) return Buffer.from([(major << 5) | 25, count >> 8, count & 255]);
    const wide = Buffer.alloc(5);
    wide[0] = (major << 5) | 26;
    wide.writeUInt32BE(count, 1);
    return wide;
  };
  if (typeof value === "number") return head(0, value);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  return Buffer.concat([head(2, value.length), value]);
}

const hex = (text) => Buffer.from(text.slice(2), "hex");
const amount = (value) => Buffer.from(value.toString(16).padStart(32, "0"), "hex");

/** A payment as it travels: the voucher's fields in order, then r ‖ s ‖ v. */
const encode = (voucher, signature) =>
  cbor([
    [
      hex(voucher.channelId),
      voucher.baseTurn,
      voucher.serial,
      amount(voucher.cumulativeAmount),
      hex(voucher.tickTip),
      amount(voucher.tickPrice),
      voucher.tickLimit,
      hex(voucher.memo),
    ],
    signature,
  ]);

/** The hash of the quote that the shop offers. */
async function memoOf(shop, buyer) {
  const response = await fetch(shop.url);
  const terms = JSON.parse(Buffer.from(response.headers.get("payment-required"), "base64").toString());
  return buyer.wallet.readQuote(new Uint8Array(Buffer.from(terms.accepts[0].extra.quote, "base64url"))).hash;
}

describe("attacks on a seller over HTTP", () => {
  let world;
  before(async () => (world = await World.start()));
  after(() => world.stop());

  it("each is refused with its code, costs nobody anything, and the download goes on", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    const other = await buyer.wallet.openChannel({ seller: shop.url, deposit: DEPOSIT });
    const stranger = EthersWallet.createRandom();
    const payer = new EthersWallet(`0x${Buffer.from(buyer.wallet.exportSecret()).toString("hex")}`);
    const { chainId, streamApp } = world.contracts;
    const DOMAIN = { name: "Millstream", version: "1", chainId, verifyingContract: streamApp };

    const memo = await memoOf(shop, buyer);
    const sent = [];
    const chunks = [];
    for (const index of [0, 1, 2, 3]) {
      const { bytes } = await channel.pay(PRICE, { memo });
      sent.push(Buffer.from(bytes));
      chunks.push(await shop.get(index, bytes));
    }
    const [first, , third, last] = sent;
    const cumulativeAmount = 5n * PRICE;
    const base = {
      channelId: channel.id,
      baseTurn: 1,
      serial: 5,
      cumulativeAmount,
      tickTip: ZeroHash,
      tickPrice: 0n,
      tickLimit: 0,
      memo,
    };
    const sign = async (change, { signer = payer, domain = DOMAIN } = {}) => {
      const voucher = { ...base, ...change };
      return encode(voucher, hex(await signer.signTypedData(domain, TYPES, voucher)));
    };
    const highS = (payment) => {
      const s = BigInt(`0x${payment.subarray(-33, -1).toString("hex")}`);
      const v = payment.at(-1) === 27 ? 28 : 27;
      const flipped = hex(`0x${(CURVE_ORDER - s).toString(16).padStart(64, "0")}`);
      return Buffer.concat([payment.subarray(0, -33), flipped, Buffer.from([v])]);
    };
    // The encoder is right: it makes the very bytes that the buyer sent.
    assert.deepEqual(await sign({ serial: 4, cumulativeAmount: 4n * PRICE }), last);

    const good = await sign({});
    const ownChannel = { ...base, channelId: other.id, serial: 1, cumulativeAmount: PRICE };
    const attacks = [
      ["the last voucher again", last, "PAYMENT_INSUFFICIENT"],
      ["an older voucher again", third, "PAYMENT_INSUFFICIENT"],
      ["the first voucher again", first, "PAYMENT_INSUFFICIENT"],
      ["an older voucher that owes more", await sign({ serial: 3 }), "VOUCHER_DECREASING"],
      [
        "an older voucher that somebody else signed",
        await sign({ serial: 3, cumulativeAmount: 3n * PRICE }, { signer: stranger }),
        "SIGNATURE_WRONG_SIGNER",
      ],
      ["another one under the last serial", await sign({ serial: 4 }), "VOUCHER_CONFLICT"],
      ["a newer one that owes less", await sign({ cumulativeAmount: 3n * PRICE }), "VOUCHER_DECREASING"],
      ["more than the deposit", await sign({ cumulativeAmount: DEPOSIT + 1n }), "VOUCHER_ABOVE_DEPOSIT"],
      ["the largest amount", await sign({ cumulativeAmount: (1n << 128n) - 1n }), "VOUCHER_ABOVE_DEPOSIT"],
      ["another key's signature", await sign({}, { signer: stranger }), "SIGNATURE_WRONG_SIGNER"],
      [
        "a signature for another chain",
        await sign({}, { domain: { ...DOMAIN, chainId: 1 } }),
        "SIGNATURE_WRONG_SIGNER",
      ],
      [
        "a signature for another contract",
        await sign({}, { domain: { ...DOMAIN, verifyingContract: world.adjudicator } }),
        "SIGNATURE_WRONG_SIGNER",
      ],
      [
        "a signature over another channel",
        encode(base, hex(await payer.signTypedData(DOMAIN, TYPES, ownChannel))),
        "SIGNATURE_WRONG_SIGNER",
      ],
      ["a channel that is not there", await sign({ channelId: `0x${"12".repeat(32)}` }), "UNKNOWN_CHANNEL"],
      ["another base", await sign({ baseTurn: 2 }), "VOUCHER_WRONG_BASE_TURN"],
      ["serial zero", await sign({ serial: 0 }), "VOUCHER_STALE"],
      ["the same signature with a high s", highS(good), "SIGNATURE_HIGH_S"],
      ["the last payment with a high s", highS(last), "SIGNATURE_HIGH_S"],
      ["a zero signature", encode(base, Buffer.alloc(65)), "SIGNATURE_RECOVERY_ID"],
      ["a memo that is no quote", await sign({ memo: ZeroHash }), "QUOTE_UNKNOWN"],
      ["cut off", good.subarray(0, -1), "MESSAGE_MALFORMED"],
      ["cut to half", good.subarray(0, good.length / 2), "MESSAGE_MALFORMED"],
      ["something behind it", Buffer.concat([good, Buffer.from([0])]), "MESSAGE_MALFORMED"],
      ["an array that claims 2^32 - 1 elements", Buffer.from("9affffffff", "hex"), "MESSAGE_MALFORMED"],
      ["nested arrays", Buffer.alloc(400, 0x81), "MESSAGE_MALFORMED"],
      ["not base64", "!$%&", "PAYMENT_MALFORMED"],
      ["10 kB of header", "A".repeat(10_000), "PAYMENT_TOO_LARGE"],
    ];
    for (const [what, payment, code] of attacks) {
      const answer = await shop.get(4, payment);
      assert.deepEqual([answer.status, answer.code], [402, code], what);
      assert.ok(answer.bytes.length < 2_000, what);
      assert.equal(shop.paid(channel), 4n * PRICE, what);
    }
    // Node's own limit: the connection is refused before there is a request.
    const megabyte = await fetch(shop.url, { headers: { Payment: "A".repeat(1024 * 1024) } }).then(
      ({ status }) => status,
      () => 431,
    );
    assert.equal(megabyte, 431);
    // Replayed: the last payment brings the chunks that were bought, and no other.
    const replayed = await Promise.all(Array.from({ length: Number(CHUNKS) }, (_, index) => shop.get(index, last)));
    assert.deepEqual(
      replayed.flatMap(({ status }, index) => (status === 206 ? [index] : [])),
      [0, 1, 2, 3],
    );
    assert.equal(shop.paid(channel), 4n * PRICE);
    assert.equal(shop.paid(other), 0n);

    // Ticks: the preimages are those of one voucher, which has three.
    const pay = async (of) => (await of.pay(PRICE, { memo, ticks: 3 })).bytes;
    chunks.push(await shop.get(4, await pay(channel)), await shop.get(5, await pay(channel)));
    assert.deepEqual([chunks[4].status, chunks[5].status], [206, 206]);
    const next = decodePayment(await pay(channel));
    await pay(other);
    const foreign = decodePayment(await pay(other)).preimage;
    const tick = (change) => {
      const { channelId, serial, ticks, preimage } = { ...next, ...change };
      return cbor([hex(channelId), serial, ticks, hex(preimage)]);
    };
    const forged = [
      ["a preimage that is none", tick({ preimage: keccak256("0x01") }), "CLAIM_WRONG_PREIMAGE"],
      ["a preimage of another chain", tick({ preimage: foreign }), "CLAIM_WRONG_PREIMAGE"],
      ["the preimage of fewer ticks", tick({ preimage: keccak256(next.preimage) }), "CLAIM_WRONG_PREIMAGE"],
      [
        "the tip again, as a tick",
        tick({ ticks: 0, preimage: keccak256(keccak256(next.preimage)) }),
        "CLAIM_WRONG_PREIMAGE",
      ],
      ["more ticks than the voucher has", tick({ ticks: 4 }), "CLAIM_TOO_MANY_TICKS"],
      ["ticks of an older voucher", tick({ serial: 4 }), "VOUCHER_STALE"],
      ["ticks of a voucher that never came", tick({ serial: 6 }), "VOUCHER_UNKNOWN"],
      ["ticks of a voucher on another channel", tick({ channelId: other.id }), "VOUCHER_UNKNOWN"],
      ["ticks of a channel that is not there", tick({ channelId: `0x${"12".repeat(32)}` }), "UNKNOWN_CHANNEL"],
      ["a tick that was spent", tick({ ticks: 1, preimage: keccak256(next.preimage) }), "PAYMENT_INSUFFICIENT"],
    ];
    for (const [what, payment, code] of forged) {
      const answer = await shop.get(6, payment);
      assert.deepEqual([answer.status, answer.code], [402, code], what);
      assert.deepEqual([shop.paid(channel), shop.paid(other)], [6n * PRICE, 0n], what);
    }
    chunks.push(await shop.get(6, tick({})));

    const rest = await collect(buyer.wallet.download(shop.url, { channel, startChunk: 7 }));
    assert.equal(rest.error, undefined);
    assert.equal(sha256(joined([...chunks, ...rest.chunks])), sha256(shop.content));
    await channel.close();
    assert.equal(await world.balance(shop.destination), CHUNKS * PRICE);
    await other.close();
    // What was signed on the other channel never came to the seller; the payer's close pays it all the same.
    await assertPaidOut(world, { shop, buyer, channel }, (CHUNKS + 2n) * PRICE, { deposit: 2n * DEPOSIT });
  });

  it("a payer that signs the same serial twice is caught, and what it paid stands", async (t) => {
    const { shop, buyer, channel } = await trade(t, world);
    const payer = new EthersWallet(`0x${Buffer.from(buyer.wallet.exportSecret()).toString("hex")}`);
    const { chainId, streamApp } = world.contracts;
    const domain = { name: "Millstream", version: "1", chainId, verifyingContract: streamApp };
    const memo = await memoOf(shop, buyer);
    const sign = async (cumulativeAmount) => {
      const voucher = {
        channelId: channel.id,
        baseTurn: 1,
        serial: 1,
        cumulativeAmount,
        tickTip: ZeroHash,
        tickPrice: 0n,
        tickLimit: 0,
        memo,
      };
      return encode(voucher, hex(await payer.signTypedData(domain, TYPES, voucher)));
    };
    const honest = await shop.get(0, await sign(2n * PRICE));
    assert.deepEqual(honest.bytes, shop.content.subarray(0, CHUNK));
    assert.equal((await shop.get(1, await sign(PRICE))).code, "VOUCHER_CONFLICT");
    assert.equal((await shop.get(1, await sign(3n * PRICE))).code, "VOUCHER_CONFLICT");
    assert.equal(shop.paid(channel), 2n * PRICE);
  });
});
