// What reaches a hub, and what it waits for, when nobody means well.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FEE, LEDGER, Network, openRow, until } from "./hub-harness.mjs";
import { PRICE, coded, getChunk, refusalOf, sleep } from "./seller-harness.mjs";

const AMOUNT = 100_000n;
const PLACE = "/.well-known/millstream";

const ask = (hub, init, path = PLACE) => hub.handle(new Request(`${hub.origin}${path}`, init));

test("garbage, too much, and what is for somebody else", async (t) => {
  const { network, hub, seller, buyer } = await openRow(t);
  await buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT });
  const posted = network.traffic.filter(
    ({ from, to, method }) => from === "buyer" && to === hub.origin && method === "POST",
  );
  const forHub = posted.at(-1).sent;
  const forged = forHub.slice();
  forged[forged.length - 20] ^= 1;
  const toSeller = network.traffic.find(
    ({ from, to, method }) => from === "hub0" && to === seller.origin && method === "POST",
  );
  for (const [path, init, status, code] of [
    [PLACE, { method: "POST", body: "garbage" }, 400, "MESSAGE_MALFORMED"],
    [PLACE, { method: "POST" }, 400, "MESSAGE_MALFORMED"],
    [PLACE, { method: "POST", body: new Uint8Array(20_000) }, 400, "MESSAGE_TOO_LARGE"],
    [PLACE, { method: "POST", body: new Uint8Array(1_000_000) }, 413, "BODY_TOO_LARGE"],
    [PLACE, { method: "POST", body: forged }, 400, "MESSAGE_SIGNATURE"],
    [PLACE, { method: "POST", body: toSeller.sent }, 400, "MESSAGE_WRONG_RECEIVER"],
    [PLACE, { method: "DELETE" }, 405, "METHOD_NOT_ALLOWED"],
    ["/content", {}, 404, "NOT_FOUND"],
  ]) {
    const refusal = await refusalOf(await ask(hub, init, path));
    assert.deepEqual([refusal.status, refusal.code], [status, code]);
  }
});

test("whoever has no ledger opens nothing, and is told why", async (t) => {
  const { network, hub, seller, ledgers } = await openRow(t);
  const stranger = await network.buyer("stranger");
  await assert.rejects(
    stranger.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT }),
    coded("ROUTE_UNKNOWN"),
  );
  await assert.rejects(
    stranger.openChannel({ seller: seller.url, via: "auto", deposit: AMOUNT }),
    coded("ROUTE_UNKNOWN"),
  );
  await stranger.openChannel({ seller: hub.origin, kind: "ledger", deposit: 1_000n });
  await assert.rejects(
    stranger.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT }),
    coded("HUB_LIQUIDITY"),
  );
  assert.equal(ledgers[1].info.promised, 0n);
});

test("a hub's own terms: whom it serves, and what it takes at most", async (t) => {
  const nobody = `0x${"99".repeat(20)}`;
  for (const [options, code] of [
    [{ serves: [nobody] }, "HUB_NOT_SERVED"],
    [{ maxAmount: AMOUNT - 1n }, "HUB_NOT_SERVED"],
    [{ maxPerPeer: AMOUNT - 1n }, "HUB_LIQUIDITY"],
  ]) {
    const { hub, seller, buyer, ledgers } = await openRow(t, { hub: options });
    const opening = buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT });
    await assert.rejects(opening, coded("HUB_REFUSED", { peerCode: code, aborted: true }));
    assert.equal(ledgers[0].info.promised, 0n, "what was promised for it is free again");
  }
});

test("a fee that is not what the hub said is asked for again; one that it never takes is refused", async (t) => {
  for (const [lies, way, outcome] of [
    [1, "named", "open"],
    [1, "auto", "open"],
    [Infinity, "named", "HUB_FEE"],
    [Infinity, "auto", "HUB_FEE"],
  ]) {
    const { network, hub, seller, buyer } = await openRow(t);
    let told = 0;
    network.replace(hub.origin, (handle) => async (request) => {
      const response = await handle(request);
      if (request.method !== "GET" || told++ >= lies) return response;
      const terms = await response.json();
      return Response.json({ ...terms, hub: { ...terms.hub, fee: String(FEE - 1n) } });
    });
    const again = await network.buyer("again");
    await again.openChannel({ seller: hub.origin, kind: "ledger", deposit: LEDGER });
    told = 0;
    const via = way === "named" ? hub.origin : "auto";
    const opening = again.openChannel({ seller: seller.url, via, deposit: AMOUNT });
    if (outcome === "open") assert.equal((await opening).status, "open");
    else await assert.rejects(opening, coded("HUB_REFUSED", { peerCode: outcome }));
    await buyer.stop();
  }
});

test("terms that cannot be used are an error, not a surprise", async (t) => {
  const network = new Network(t);
  const buyer = await network.buyer();
  const good = {
    millstream: 1,
    ...network.chain.contracts,
    address: `0x${"11".repeat(20)}`,
    destination: `0x${"22".repeat(20)}`,
    challengeDuration: 60,
    confirmations: 1,
    kinds: ["ledger"],
    assets: [],
    hub: { fee: "1", feeRate: 0, maxAmount: "0", links: [] },
  };
  const link = {
    peer: good.address,
    url: "http://x.test",
    ledger: `0x${"33".repeat(32)}`,
    asset: good.address,
    send: "1",
  };
  const open = async (terms) => {
    network.serve("http://bad.test", () => (terms instanceof Response ? terms : Response.json(terms)));
    await buyer.openChannel({ seller: "http://bad.test", kind: "ledger", deposit: 1n });
  };
  for (const terms of [
    new Response("not JSON"),
    new Response(new Uint8Array(1_000_000)),
    [],
    { ...good, millstream: 2 },
    { ...good, address: "0x11" },
    { ...good, confirmations: 0 },
    { ...good, kinds: ["stream"] },
    { ...good, kinds: "ledger" },
    { ...good, hub: 1 },
    { ...good, hub: { ...good.hub, fee: 1 } },
    { ...good, hub: { ...good.hub, fee: "-1" } },
    { ...good, hub: { ...good.hub, links: [link] } },
    { ...good, hub: { ...good.hub, links: [{ ...link, receive: "1", url: "javascript:alert(1)" }] } },
    { ...good, hub: { ...good.hub, links: Array(257).fill({ ...link, receive: "1" }) } },
  ])
    await assert.rejects(open(terms), coded("PEER_TERMS_MALFORMED"), JSON.stringify(terms));
  await assert.rejects(open({ ...good, chainId: 1 }), coded("WRONG_CHAIN"));
  await assert.rejects(open(new Response("", { status: 500 })), coded("PEER_UNREACHABLE"));
  await assert.rejects(
    buyer.openChannel({ seller: "http://nobody.test", kind: "ledger", deposit: 1n }),
    coded("PEER_UNREACHABLE"),
  );
});

test("a hub that never says its terms is not waited for longer than the caller wants", async (t) => {
  const { network, hub, seller, buyer } = await openRow(t);
  const silent = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  network.serve("http://silent.test", silent);
  for (const options of [
    { seller: seller.url, via: [hub.origin, "http://silent.test"], deposit: AMOUNT },
    { seller: "http://silent.test", kind: "ledger", deposit: AMOUNT },
  ]) {
    const giveUp = new AbortController();
    const before = network.traffic.length;
    const opening = buyer.openChannel({ ...options, signal: giveUp.signal });
    const asked = () => network.traffic.slice(before).some(({ to }) => to === "http://silent.test");
    await until(asked, "it was asked").finally(() => giveUp.abort());
    await assert.rejects(opening, coded("ABORTED"));
  }
});

test("a list of hubs that the seller did not sign is refused", async (t) => {
  const { network, seller, buyer } = await openRow(t);
  network.replace(seller.origin, (handle) => async (request) => {
    const response = await handle(request);
    const header = response.headers.get("payment-required");
    if (header === null) return response;
    const terms = JSON.parse(Buffer.from(header, "base64").toString());
    const { extra } = terms.accepts[0];
    extra.hubs = extra.hubs.replaceAll("hub0", "evil");
    response.headers.set("payment-required", Buffer.from(JSON.stringify(terms)).toString("base64"));
    return response;
  });
  await assert.rejects(
    buyer.openChannel({ seller: seller.url, via: "auto", deposit: AMOUNT }),
    coded("OFFER_MALFORMED"),
  );
  await assert.rejects(
    buyer.fetch(seller.url).then((response) => response.text()),
    coded("OFFER_MALFORMED"),
  );
});

test("requests that wait for a seller who is silent are few, and end with their client", async (t) => {
  const { network, hub, seller, buyer, ledgers } = await openRow(t);
  let isSilent = true;
  network.replace(seller.origin, (handle) => async (request) => {
    if (request.method === "POST") await until(() => !isSilent, "the seller answers again");
    return handle(request);
  });
  t.after(() => (isSilent = false));
  const before = network.traffic.length;
  const giveUp = new AbortController();
  const opening = buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT, signal: giveUp.signal });
  const posted = (from) => network.traffic.slice(before).find((sent) => sent.from === from && sent.method === "POST");
  await until(() => posted("hub0"), "the hub has asked the seller");
  const mine = posted("buyer");
  const clients = Array.from({ length: 40 }, () => new AbortController());
  let answered = 0;
  const posts = clients.map(async ({ signal }) => {
    const response = await ask(hub, { method: "POST", body: mine.sent, signal });
    answered += 1;
    assert.equal(response.status, 200);
    assert.equal((await response.arrayBuffer()).byteLength, 0);
  });
  // 32 of one payer wait, its own among them.
  await until(() => answered === 9, "those above the limit are answered at once");
  await sleep(20);
  assert.equal(answered, 9);
  for (const client of clients) client.abort();
  await Promise.all(posts);
  giveUp.abort();
  await assert.rejects(opening, coded("ABORTED", { aborted: true }));
  assert.equal(ledgers[0].info.promised, 0n);
  await until(() => hub.wallet.channel(ledgers[1].id).info.promised === 0n, "the hub's money is free again");
});

test("a paid request that comes before the last message waits for it", async (t) => {
  const { network, hub, seller, buyer } = await openRow(t);
  let messages = 0;
  let isLocked = true;
  network.replace(seller.origin, (handle) => async (request) => {
    // The proposal passes; the guarantee and the last signature come late.
    if (request.method === "POST" && ++messages > 1) await until(() => !isLocked, "the network moves on");
    return handle(request);
  });
  t.after(() => (isLocked = false));
  const channel = await buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT });
  const { hash: memo } = buyer.readQuote((await offer(seller)).quote);
  const { bytes } = await channel.pay(PRICE, { memo });
  const place = { url: seller.url, listing: seller.listing };
  const client = new AbortController();
  const impatient = getChunk(seller, place, 0, bytes, {}, client.signal);
  client.abort();
  assert.equal((await refusalOf(await impatient)).code, "CHANNEL_NOT_OPEN");
  const patient = getChunk(seller, place, 0, bytes);
  await sleep(20);
  assert.notEqual(seller.wallet.channel(channel.id).status, "open");
  isLocked = false;
  const response = await patient;
  assert.equal(response.status, 206, await response.clone().text());
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), seller.content.slice(0, 1_000));
});

test("what a hub has forgotten to hand on is said again when the seller does not know the channel as open", async (t) => {
  const { network, hub, seller, buyer } = await openRow(t);
  let messages = 0;
  network.replace(seller.origin, (handle) => (request) => {
    // Everything after the proposal is lost for a while, and nobody hears of it.
    if (request.method === "POST" && ++messages > 1 && messages < 4) return new Response(new Uint8Array(0));
    return handle(request);
  });
  await buyer.openChannel({ seller: seller.url, via: hub.origin, deposit: AMOUNT });
  const response = await buyer.fetch(seller.url);
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), seller.content);
});

async function offer(seller) {
  const response = await seller.handle(new Request(seller.url));
  const terms = JSON.parse(Buffer.from(response.headers.get("payment-required"), "base64").toString());
  return { quote: new Uint8Array(Buffer.from(terms.accepts[0].extra.quote, "base64url")) };
}
