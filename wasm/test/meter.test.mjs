// A meter with a player of straw and a real seller: what it pays when, and what it makes of strange sellers.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { Wallet, memoryStore } from "../dist/index.js";
import { ORIGIN, coded, fetchFrom, openBuyer, openSeller, paidTo, sleep } from "./seller-harness.mjs";

const PRICE = 100n;
/** Of a segment, in seconds. */
const LENGTH = 4;
const SEGMENTS = 10;
const MASTER = `${ORIGIN}/film/master.m3u8`;
const segment = (index) => `${ORIGIN}/film/v0/${index}.ts`;
const bytesOf = (index) => Buffer.alloc(500 + index, index + 1);

/** A video whose time goes on when it is told to. Real time goes on with it. */
class Video extends EventTarget {
  currentTime = 0;
  playbackRate = 1;
  paused = true;
  ended = false;
  seeking = false;
  readyState = 4;
  ownerDocument = Object.assign(new EventTarget(), { baseURI: `${ORIGIN}/page/`, hidden: false });
  #clock;

  constructor(t) {
    super();
    this.#clock = { now: 1_000 };
    t.mock.method(performance, "now", () => this.#clock.now);
  }
  tell(name) {
    this.dispatchEvent(new Event(name));
  }
  async play() {
    this.paused = this.ended = false;
    this.tell("play");
    this.tell("playing");
  }
  pause() {
    this.paused = true;
    this.tell("pause");
  }
  /** Plays for so many seconds, a quarter of a second at a time; what is to be paid is paid meanwhile. */
  async go(seconds, moves = !this.paused) {
    for (let at = 0; at < seconds * 4; at += 1) {
      this.#clock.now += 250;
      if (moves) this.currentTime += 0.25 * this.playbackRate;
      this.tell("timeupdate");
      await sleep(1);
    }
    await sleep(5);
  }
  seek(to) {
    this.seeking = true;
    this.currentTime = to;
    this.tell("seeking");
    this.seeking = false;
    this.tell("seeked");
  }
  end() {
    this.ended = this.paused = true;
    this.tell("ended");
  }
  hide(hidden) {
    this.ownerDocument.hidden = hidden;
    this.ownerDocument.dispatchEvent(new Event("visibilitychange"));
  }
}

/** A film for sale by the second. */
async function setUp(t, { credit = 1_000n * PRICE, fetch, deposit = 100_000n, terms = {}, sellerOptions = {} } = {}) {
  const seller = await openSeller(t, { credit, ...sellerOptions });
  const folder = await mkdtemp(join(tmpdir(), "millstream-meter-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "v0"));
  const lines = ["#EXTM3U", `#EXT-X-TARGETDURATION:${LENGTH}`];
  for (let index = 0; index < SEGMENTS; index += 1) {
    lines.push(`#EXTINF:${LENGTH},`, `${index}.ts`);
    await writeFile(join(folder, "v0", `${index}.ts`), bytesOf(index));
  }
  await writeFile(join(folder, "v0", "index.m3u8"), [...lines, "#EXT-X-ENDLIST", ""].join("\n"));
  await writeFile(join(folder, "master.m3u8"), "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv0/index.m3u8\n");
  await seller.addFolder("/film/", folder, { price: PRICE, unit: "second", ...terms });
  const requests = [];
  const buyer = await openBuyer(t, seller, {
    fetch: async (url, init) => {
      const request = new Request(url, init);
      const { pathname, search } = new URL(request.url);
      requests.push(`${pathname}${search.replace(/=.*/, "")}${request.headers.has("payment") ? " paid" : ""}`);
      const go = () => seller.handle(request);
      return fetch ? fetch(request, go) : go();
    },
  });
  const channel = await buyer.openChannel({ seller: MASTER, deposit });
  requests.length = 0;
  const video = new Video(t);
  const watch = (options = {}) => {
    const meter = buyer.watch(video, MASTER, { retryDelay: 1, ...options });
    const errors = [];
    const payments = [];
    meter.on("error", ({ error }) => errors.push(error));
    meter.on("payment", (payment) => payments.push(payment));
    t.after(() => meter.stop().catch(() => {}));
    return { meter, errors, payments };
  };
  return { seller, buyer, channel, requests, video, watch, folder };
}

/** Loads as hls.js does. */
function load(meter, url, { responseType = "arraybuffer", timeout = 10_000, ...context } = {}) {
  const loader = new meter.loader({});
  const given = { url, responseType, ...context };
  const done = new Promise((resolve) => {
    loader.load(
      given,
      { loadPolicy: { maxLoadTimeMs: timeout } },
      {
        onSuccess: (response, stats, of, details) => resolve({ response, stats, of, details }),
        onError: (error, of, details, stats) => resolve({ error, stats, of }),
        onTimeout: (stats) => resolve({ timeout: true, stats }),
        onAbort: (stats) => resolve({ aborted: true, stats }),
      },
    );
  });
  return Object.assign(done, { loader, context: given });
}

test("a loader hands over what hls.js asks for, as it asks for it", async (t) => {
  const { watch, requests, video, channel } = await setUp(t);
  const { meter, errors } = watch();
  const master = load(meter, MASTER, { responseType: "text" });
  const { response, stats, of, details } = await master;
  assert.deepEqual([of, master.loader.context, details], [master.context, master.context, null]);
  assert.match(response.data, /^#EXTM3U/);
  assert.deepEqual([response.url, response.code], [MASTER, 200]);
  assert.equal(stats.loaded, response.data.length);
  const first = await load(meter, segment(0));
  assert.ok(first.response.data instanceof ArrayBuffer);
  assert.deepEqual(Buffer.from(first.response.data), bytesOf(0));
  assert.deepEqual([first.stats.loaded, first.stats.total, first.stats.aborted], [500, 500, false]);
  assert.ok(first.stats.loading.start > 0 && first.stats.loading.end >= first.stats.loading.first);
  const part = await load(meter, segment(0), { rangeStart: 10, rangeEnd: 20 });
  assert.equal(part.response.data.byteLength, 10);
  const free = await load(meter, MASTER, { rangeStart: 1, rangeEnd: 7, responseType: "" });
  assert.equal(free.response.data, "EXTM3U");
  assert.throws(() => first.of && master.loader.load(master.context, {}, {}), /loads once/);
  assert.equal(requests.filter((line) => line.includes(".ts")).length, 2, "no segment is asked for unpaid");
  assert.equal(channel.paid, PRICE, "the least that says who asks");
  assert.deepEqual([meter.state, meter.seconds, errors], ["idle", 0, []]);
  assert.equal(video.paused, true);
});

test("on credit, every second that plays is paid when it begins, and nothing else is", async (t) => {
  const { watch, video, channel, seller } = await setUp(t);
  const { meter, errors, payments } = watch();
  for (let index = 0; index < 5; index += 1) await load(meter, segment(index));
  assert.deepEqual([channel.paid, meter.owed, meter.atRisk], [PRICE, 19n * PRICE, 0n]);
  await video.play();
  assert.equal(meter.state, "playing");
  await video.go(6);
  assert.equal(meter.seconds, 6);
  assert.equal(meter.paid, 6n * PRICE);
  // Paused, stalled, hidden, skipped: nothing.
  video.pause();
  await video.go(3);
  await video.play();
  video.tell("waiting");
  assert.equal(meter.state, "stalled");
  video.readyState = 2;
  await video.go(3, false);
  video.readyState = 4;
  video.tell("playing");
  video.hide(true);
  assert.deepEqual([meter.state, video.paused], ["hidden", true]);
  await video.go(3, false);
  assert.equal(meter.paid, 6n * PRICE);
  video.hide(false);
  assert.deepEqual([meter.state, video.paused], ["playing", false]);
  video.seek(12);
  await sleep(5);
  assert.equal(meter.paid, 6n * PRICE);
  await video.go(2);
  assert.deepEqual([meter.seconds, meter.paid], [8, 8n * PRICE]);
  // Back: what was seen is seen again for nothing.
  video.seek(0);
  await video.go(6);
  assert.deepEqual([meter.seconds, meter.paid], [14, 8n * PRICE]);
  video.seek(12);
  await video.go(2);
  assert.equal(meter.paid, 8n * PRICE);
  assert.deepEqual(
    payments.map(({ amount, paid }) => [amount, paid]),
    payments.map((_, at) => [PRICE, PRICE * BigInt(at + 1)]),
  );
  await meter.stop();
  assert.deepEqual([meter.state, meter.owed, paidTo(seller, channel)], ["stopped", 12n * PRICE, 8n * PRICE]);
  assert.equal(channel.info.serial, 1, "one signature, and a tick for each second");
  assert.deepEqual(errors, []);
});

test("a film that was watched to its end is settled, and what is owed can be", async (t) => {
  const { watch, video, channel, seller, requests } = await setUp(t);
  const first = watch();
  await load(first.meter, segment(0));
  await load(first.meter, segment(1));
  await video.play();
  await video.go(1);
  await first.meter.stop({ settle: true });
  assert.deepEqual([first.meter.owed, paidTo(seller, channel)], [0n, 8n * PRICE]);
  assert.equal(requests.at(-1), "/film/?account paid");
  const second = watch();
  await load(second.meter, segment(1));
  await load(second.meter, segment(2));
  video.seek(11);
  await video.go(1);
  video.end();
  await sleep(20);
  assert.deepEqual([second.meter.state, second.meter.owed], ["ended", 0n]);
  assert.equal(second.meter.paid, 4n * PRICE, "what was bought before costs nothing");
  await second.meter.stop();
  assert.equal(paidTo(seller, channel), 12n * PRICE);
  assert.deepEqual([...first.errors, ...second.errors], []);
});

test("what was fetched on credit and not played is paid when it is played another time", async (t) => {
  const { watch, video, channel } = await setUp(t);
  const first = watch();
  await load(first.meter, segment(0));
  first.meter[Symbol.dispose]();
  await first.meter.stop();
  assert.deepEqual([channel.paid, first.meter.owed], [PRICE, 3n * PRICE]);
  const second = watch();
  await load(second.meter, segment(0));
  assert.equal(second.meter.owed, 3n * PRICE);
  await video.play();
  await video.go(4);
  assert.deepEqual([channel.paid, second.meter.owed], [4n * PRICE, 0n]);
});

for (const credit of [0n, 3n, 6n])
  test(`with a credit of ${credit} seconds, payment is never further behind`, async (t) => {
    const { watch, video, channel, seller } = await setUp(t, { credit: credit * PRICE });
    const { meter, errors } = watch({ window: 8n * PRICE });
    let cost = 0n;
    for (let index = 0; index < 4; index += 1) {
      const { response } = await load(meter, segment(index));
      assert.ok(response, `${errors}`);
      cost += BigInt(LENGTH) * PRICE;
      assert.equal(channel.paid, cost - credit * PRICE > PRICE ? cost - credit * PRICE : PRICE);
      assert.equal(meter.owed, cost - channel.paid);
    }
    await video.play();
    await video.go(16);
    assert.equal(channel.paid, 16n * PRICE);
    // Again, and after the list was read anew: nothing.
    await load(meter, segment(2));
    assert.equal(seller.totals.repeats, 1);
    await meter.stop();
    assert.equal(paidTo(seller, channel), 16n * PRICE);
    assert.deepEqual(errors, []);
  });

test("two parts at once share one voucher, and hold to the window", async (t) => {
  const { watch, channel, seller } = await setUp(t, { credit: 0n });
  const { meter, errors } = watch();
  let most = 0n;
  meter.on("change", () => (most = meter.atRisk > most ? meter.atRisk : most));
  const loads = await Promise.all([0, 1, 2, 3, 4].map((index) => load(meter, segment(index))));
  assert.ok(loads.every(({ response }) => response));
  assert.equal(paidTo(seller, channel), 20n * PRICE);
  assert.ok(most > 0n && most <= 8n * PRICE, `${most}`);
  assert.deepEqual([channel.info.serial, meter.atRisk, errors], [1, 0n, []]);
});

test("a part that is given up is not paid for twice, and does not hold up the others", async (t) => {
  let hangs = true;
  const { watch, channel, seller } = await setUp(t, {
    credit: 0n,
    fetch: async ({ url, signal }, go) => {
      const answer = await go();
      if (!hangs || !/[0-2]\.ts/.test(url)) return answer;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw new TypeError("gone");
    },
  });
  const { meter, errors } = watch();
  for (const index of [0, 1, 2]) {
    const loading = load(meter, segment(index));
    while (seller.totals.chunks <= index) await sleep(1);
    if (index === 1) loading.loader.destroy();
    else loading.loader.abort();
    if (index !== 1) assert.equal((await loading).aborted, true);
  }
  hangs = false;
  assert.ok((await load(meter, segment(3))).response);
  for (const index of [0, 1, 2]) assert.ok((await load(meter, segment(index))).response);
  assert.equal(paidTo(seller, channel), 16n * PRICE);
  assert.deepEqual([meter.paid, meter.owed, errors], [16n * PRICE, 0n, []]);
});

test("a wallet that was opened anew owes what it owed", async (t) => {
  const { seller, channel, video } = await setUp(t, { credit: 5n * PRICE });
  const secret = new Uint8Array(32).fill(9);
  const store = memoryStore();
  const open = async () => {
    const { chain } = seller.wallet;
    const policy = { minChallengeDuration: 60, minConfirmations: 1 };
    const wallet = await Wallet.open({ chain, store, secret, fetch: fetchFrom(seller), pollInterval: 20, policy });
    t.after(() => wallet.stop());
    return wallet;
  };
  const before = await open();
  const own = await before.openChannel({ seller: MASTER, deposit: 10_000n });
  const first = before.watch(video, MASTER);
  await load(first, segment(0));
  await first.stop();
  assert.deepEqual([first.owed, own.paid], [3n * PRICE, PRICE]);
  await before.stop();
  const wallet = await open();
  const second = wallet.watch(video, MASTER);
  t.after(() => second.stop());
  const errors = [];
  second.on("error", ({ error }) => errors.push(error));
  await load(second, segment(1));
  // 3 from then and 4 now are 2 above the credit.
  assert.deepEqual([errors, second.owed, second.paid], [[], 5n * PRICE, 2n * PRICE]);
  await load(second, segment(0));
  assert.deepEqual([seller.totals.chunks, second.owed], [2, 5n * PRICE]);
  assert.equal(channel.paid, 0n);
});

test("a seller that takes money and serves nothing gets the window, and the page is told", async (t) => {
  const { watch, channel } = await setUp(t, {
    credit: 0n,
    fetch: (request, go) => (request.url.includes(".ts") ? new Response(null, { status: 503 }) : go()),
  });
  const { meter, errors } = watch({ tries: 1 });
  for (let index = 0; index < 5; index += 1) assert.equal((await load(meter, segment(index))).error.code, 402);
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["SELLER_UNREACHABLE", "SELLER_UNREACHABLE", "WINDOW_EXHAUSTED", "WINDOW_EXHAUSTED", "WINDOW_EXHAUSTED"],
  );
  assert.deepEqual([channel.paid, meter.atRisk, errors.at(-1).details.atRisk], [8n * PRICE, 8n * PRICE, 8n * PRICE]);
});

test("lies and trouble end in an error with a code, told once to the page and to hls.js", async (t) => {
  let answer = (_, go) => go();
  const { watch, channel } = await setUp(t, { credit: 0n, fetch: (request, go) => answer(request, go) });
  const { meter, errors } = watch({ tries: 2, window: 100n * PRICE });
  await load(meter, segment(9));
  const cases = [
    ["CONTENT_CHUNK_MISMATCH", 402, async (_, go) => new Response(bytesOf(9).subarray(0, 500), await go())],
    ["CONTENT_LENGTH", 402, async (_, go) => new Response("short", await go())],
    ["SELLER_ANSWER_MALFORMED", 402, () => new Response(null, { status: 302, headers: { location: "/" } })],
    ["SELLER_REFUSED", 403, () => Response.json({ error: { code: "NO" } }, { status: 403 })],
    ["SELLER_UNREACHABLE", 402, () => Promise.reject(new TypeError("no network"))],
  ];
  for (const [index, [code, status, lie]] of cases.entries()) {
    answer = (request, go) => (request.url.includes(`/${index}.ts`) ? lie(request, go) : go());
    const { error } = await load(meter, segment(index));
    assert.deepEqual([errors.pop()?.code, error?.code, errors.length], [code, status, 0]);
  }
  answer = (_, go) => go();
  for (const [path, status] of [
    ["missing.m3u8", 404],
    ["v0/99.ts", 404],
  ])
    assert.equal((await load(meter, `${ORIGIN}/film/${path}`)).error.code, status);
  assert.equal((await load(meter, segment(8), { timeout: 0 })).timeout, true);
  assert.ok(channel.paid <= PRICE * BigInt(LENGTH * 8));
});

test("terms that a meter cannot use", async (t) => {
  const { watch, seller, buyer, video, channel } = await setUp(t);
  await seller.add("/film.mp4", { bytes: new Uint8Array(5_000) }, { price: 1n, chunkSize: 1_000 });
  const errorOf = async (url) => {
    const meter = buyer.watch(video, url);
    const error = await new Promise((resolve) => meter.on("error", ({ error: it }) => resolve(it)));
    await meter.stop();
    return error.code;
  };
  assert.equal(await errorOf("/film.mp4"), "WATCH_UNSUPPORTED");
  assert.throws(() => buyer.watch(video, "ftp://films.example/a.m3u8"), coded("INVALID_ARGUMENT", { field: "url" }));
  const Hls = class {
    static isSupported = () => false;
  };
  assert.throws(() => buyer.watch(video, MASTER, { Hls }), coded("WATCH_UNSUPPORTED"));
  const { meter, errors } = watch({ window: PRICE });
  assert.equal((await load(meter, segment(0))).error.code, 402);
  assert.equal(errors[0].code, "INVALID_ARGUMENT");
  const stranger = await openBuyer(t, seller);
  const poor = stranger.watch(video, MASTER);
  const seen = [];
  poor.on("error", ({ error }) => seen.push(error.code));
  assert.equal((await load(poor, segment(0))).error.code, 402);
  assert.deepEqual(seen, ["CHANNEL_REQUIRED"]);
  await poor.stop();
  assert.equal(channel.paid, 0n);
});

test("with hls.js given, the meter makes the player and ends it; a signal ends it too", async (t) => {
  const { watch, video, requests } = await setUp(t);
  const calls = [];
  class Hls {
    constructor(config) {
      this.config = config;
    }
    attachMedia = (media) => calls.push(["attach", media === video]);
    loadSource = (url) => calls.push(["load", url]);
    startLoad = () => calls.push(["start"]);
    destroy = () => calls.push(["destroy"]);
  }
  const end = new AbortController();
  const { meter } = watch({ Hls, config: { maxBufferLength: 5, loader: "mine" }, signal: end.signal });
  assert.ok(meter.player instanceof Hls);
  assert.deepEqual([meter.player.config.maxBufferLength, meter.player.config.loader], [5, meter.loader]);
  assert.deepEqual(calls.splice(0), [
    ["attach", true],
    ["load", MASTER],
  ]);
  await load(meter, segment(0));
  await video.play();
  await video.go(2);
  end.abort();
  await meter.stop();
  assert.deepEqual(calls, [["destroy"]]);
  assert.deepEqual([meter.state, meter.paid, requests.at(-1)], ["stopped", 2n * PRICE, "/film/?account paid"]);
  await video.go(2);
  assert.equal(meter.paid, 2n * PRICE);
  const late = watch({ Hls, signal: end.signal });
  assert.deepEqual([late.meter.player, late.meter.state], [undefined, "stopped"]);
});

test("the end of the channel pauses the film; with more in it, it goes on", async (t) => {
  const { watch, video, channel, seller } = await setUp(t, { deposit: 5n * PRICE });
  const { meter, errors } = watch();
  assert.ok((await load(meter, segment(0))).response);
  const { error } = await load(meter, segment(1));
  assert.deepEqual([error.code, errors[0].code, errors[0].details.missing], [402, "INSUFFICIENT_BALANCE", 3n * PRICE]);
  assert.deepEqual([seller.totals.chunks, channel.paid], [1, PRICE], "nobody asks for what it cannot pay");
  await video.play();
  await video.go(2);
  // Somebody else takes what is left.
  await channel.pay(3n * PRICE);
  await video.go(2);
  assert.deepEqual([video.paused, meter.paid, meter.state], [true, 2n * PRICE, "paused"]);
  assert.equal(errors[1].code, "INSUFFICIENT_BALANCE");
  await channel.topUp(10n * PRICE);
  await video.play();
  await video.go(1);
  assert.equal(meter.paid, 4n * PRICE);
  assert.ok((await load(meter, segment(1))).response);
  assert.equal(errors.length, 2);
});

test("when a channel is used up, another one goes on", async (t) => {
  const { buyer, watch, channel } = await setUp(t, { deposit: 5n * PRICE, credit: 0n });
  const { meter, errors } = watch();
  assert.ok((await load(meter, segment(0))).response);
  assert.equal((await load(meter, segment(1))).error.code, 402);
  assert.equal(errors.pop().code, "INSUFFICIENT_BALANCE");
  const other = await buyer.openChannel({ seller: MASTER, deposit: 100n * PRICE });
  assert.ok((await load(meter, segment(1))).response);
  assert.deepEqual([channel.paid, other.paid, meter.paid, errors], [4n * PRICE, 4n * PRICE, 8n * PRICE, []]);
});

test("a hidden page may play on, and pays for it", async (t) => {
  const { watch, video } = await setUp(t);
  const { meter } = watch({ whenHidden: "play" });
  await load(meter, segment(0));
  await video.play();
  video.hide(true);
  await video.go(2);
  assert.deepEqual([meter.state, meter.paid], ["playing", 2n * PRICE]);
  video.hide(false);
  assert.equal(meter.state, "playing");
});

test("what is not sold by the second is paid part by part", async (t) => {
  const { watch, video, channel } = await setUp(t, { terms: { unit: "byte", price: 2n } });
  const { meter } = watch({ window: 10_000n });
  await load(meter, segment(0));
  assert.equal(channel.paid, 1_000n);
  await video.play();
  await video.go(3);
  assert.deepEqual([meter.paid, meter.owed], [1_000n, 0n]);
});
