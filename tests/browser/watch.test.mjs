// A real film in a real player: seconds that are watched are paid, and no others.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { startDevChain } from "@millstream/contracts/dev-chain";
import { rpcChain } from "millstream";
import { Seller, nodeHandler } from "millstream/server";

import { launchChromium, watchPage } from "../../web-demo/browser.mjs";
import { buildPage } from "../../web-demo/build.mjs";

/** Of a second, in wei. */
const PRICE = 1_000_000_007n;
const FILM = fileURLToPath(new URL("hls/film", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
/** One quality, so that what is fetched is known; nothing of the film is fetched twice. */
const STEADY = { startLevel: 0, autoStartLoad: true, capLevelToPlayerSize: false, abrEwmaDefaultEstimate: 1e9 };

const listen = async (server) => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
};

it("hls.js takes the loader, and the meter takes hls.js, as their types say", () => {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const file = fileURLToPath(new URL("hls/types.ts", import.meta.url));
  const options = "--noEmit --strict --target ES2022 --lib ES2023,DOM,ESNext.Disposable --module ESNext --types node";
  const args = [tsc, ...options.split(" "), "--moduleResolution", "Bundler", "--skipLibCheck", file];
  execFileSync(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
});

describe("a film that is paid by the second", () => {
  let folder, chain, contracts, pages, browser, site;
  const ends = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "millstream-watch-"));
    ends.push(() => rm(folder, { recursive: true, force: true }));
    chain = await startDevChain({ blockTime: 1 });
    ends.push(() => chain.stop());
    const { adjudicator, streamApp, consensusApp } = chain.addresses;
    contracts = { chainId: chain.chainId, adjudicator, streamApp, consensusApp };
    await buildPage({ root: fileURLToPath(new URL("hls", import.meta.url)), outDir: folder });
    pages = createServer((request, response) => {
      const path = request.url === "/" ? "/index.html" : request.url;
      readFile(join(folder, path)).then(
        (body) => response.writeHead(200, { "content-type": TYPES[extname(path)] }).end(body),
        () => response.writeHead(request.url === "/favicon.ico" ? 204 : 404).end(),
      );
    });
    site = await listen(pages);
    ends.push(() => pages.close().closeAllConnections());
    browser = await launchChromium();
    ends.push(() => browser.close());
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  /** A seller of the film on another origin than the page, and a page with a channel to it. */
  async function scene(test, { credit, seconds = 100n }) {
    const [, buyer, destination] = chain.accounts;
    const policy = { minChallengeDuration: 60, minConfirmations: 1 };
    const seller = await Seller.open({
      chain: rpcChain({ url: chain.url, contracts, account: destination, pollInterval: 100 }),
      destination,
      challengeDuration: 60,
      confirmations: 1,
      policy,
      pollInterval: 100,
      credit,
    });
    const requests = [];
    const serve = nodeHandler((request) => seller.handle(request));
    const server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url.replace(/payment=.*/, "payment")}`);
      serve(request, response);
    });
    const origin = await listen(server);
    await seller.addFolder("/film/", FILM, { price: PRICE, unit: "second" });
    const url = `${origin}/film/master.m3u8`;
    const page = await browser.newPage();
    const watched = watchPage(page);
    test.after(async () => {
      await page.close();
      server.close().closeAllConnections();
      await seller.stop();
    });
    await page.goto(site);
    await page.waitForFunction(() => "film" in globalThis);
    const deposit = String(seconds * PRICE);
    const id = await page.evaluate((given) => globalThis.film.open(given), {
      chain: chain.url,
      contracts,
      account: buyer,
      url,
      deposit,
      policy,
    });
    const film = {
      watch: (options) => page.evaluate(([at, given]) => globalThis.film.watch(at, given), [url, options]),
      look: () => page.evaluate(() => globalThis.film.look()),
      /** Waits until what the page says is so. */
      until: (condition, argument) =>
        page.waitForFunction(
          ([text, given]) => new Function("it", "given", `return ${text}`)(globalThis.film.look(), given),
          [condition, argument],
          { polling: 50, timeout: 30_000 },
        ),
      set: (fields) => page.evaluate((given) => void Object.assign(globalThis.film.video, given), fields),
      run: (name, argument) => page.evaluate(([what, given]) => globalThis.film[what](given), [name, argument]),
      call: (name) => page.evaluate((what) => void globalThis.film.video[what](), name),
    };
    const account = () => seller.wallet.channel(id).info.cumulativeAmount;
    return { seller, page, film, watched, requests, origin, url, account };
  }

  const paidSeconds = ({ paid }) => {
    assert.equal(BigInt(paid) % PRICE, 0n);
    return Number(BigInt(paid) / PRICE);
  };
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  it("on credit, one pays what one watches; pausing, hiding and seeking back cost nothing", async (test) => {
    const { seller, film, watched, requests, origin, account } = await scene(test, { credit: 60n * PRICE });
    await film.watch({ config: STEADY });
    await film.until("it.seconds >= 3");
    const playing = await film.look();
    assert.equal(playing.state, "playing");
    assert.ok(Math.abs(paidSeconds(playing) - playing.seconds) <= 1.5, `${playing.paid} for ${playing.seconds} s`);
    assert.ok(playing.payments.every((payment) => payment.origin === origin && payment.amount === String(PRICE)));
    assert.ok(BigInt(playing.owed) > 0n, "more is fetched than is played");

    const still = async (what, state) => {
      const start = await film.look();
      await pause(1_500);
      const end = await film.look();
      assert.equal(end.state, state, what);
      assert.equal(end.paid, start.paid, what);
      assert.ok(end.seconds - start.seconds < 0.1, what);
    };
    await film.call("pause");
    await film.until('it.state === "paused"');
    await still("paused", "paused");

    // Back to the beginning: what was seen is seen again for nothing, and nothing is fetched again.
    const { length } = requests;
    const before = await film.look();
    await film.set({ currentTime: 0, playbackRate: 2 });
    await film.call("play");
    await film.until("it.currentTime > 1.5 && it.currentTime < 2.9 && it.seconds > given", before.seconds + 1);
    assert.equal((await film.look()).paid, before.paid, "seeking back");
    assert.deepEqual(
      requests.slice(length).filter((line) => line.includes(".m4s") && !/[4-9]\.m4s/.test(line)),
      [],
    );

    await film.run("hide", true);
    await film.until('it.state === "hidden"');
    assert.equal((await film.look()).paused, true);
    await still("hidden", "hidden");
    await film.run("hide", false);
    await film.until('it.state === "playing"');

    await film.set({ currentTime: 16 });
    await film.until('it.state === "ended" && it.owed === "0"');
    await film.run("stop");
    const end = await film.look();
    const { chunks } = seller.totals;
    assert.equal(BigInt(end.paid), PRICE * 2n * BigInt(chunks), "all that was fetched, to the unit");
    assert.deepEqual([BigInt(end.total), BigInt(end.atRisk)], [BigInt(end.paid), 0n]);
    assert.equal(account(), BigInt(end.paid));
    assert.ok(end.receipts.length > 0 && end.receipts.every((receipt) => receipt.origin === origin));
    assert.deepEqual(end.errors, []);
    assert.deepEqual(watched.problems, []);
    // Nothing but the first look at the terms was refused.
    assert.deepEqual(
      watched.answers.filter(({ status }) => status !== 402),
      [],
    );
    const { paid, refunded } = await film.run("close");
    assert.equal(paid, end.paid);
    assert.equal(BigInt(paid) + BigInt(refunded), 100n * PRICE);
  });

  it("without credit every part is paid before it is fetched, and stopping owes nothing", async (test) => {
    const { seller, film, account, requests } = await scene(test, { credit: 0n });
    await film.watch({ own: true, config: { ...STEADY, maxBufferLength: 4, maxMaxBufferLength: 4 } });
    await film.until("it.seconds >= 2");
    await film.run("stop");
    const { paid, owed, atRisk, state } = await film.look();
    assert.deepEqual([owed, atRisk, state], ["0", "0", "stopped"]);
    const sold = seller.totals.chunks;
    assert.ok(sold >= 2 && sold < 10, `${sold}`);
    assert.equal(account(), BigInt(paid));
    // A part that was given up when it was stopped may be paid for, and not sold.
    assert.ok([0n, 2n * PRICE].includes(BigInt(paid) - PRICE * 2n * BigInt(sold)), `${paid} for ${sold}`);
    const segments = requests.filter((line) => line.startsWith("GET") && line.includes(".m4s"));
    assert.ok(
      segments.every((line) => line.endsWith("?payment")),
      "no preflight, no refusal",
    );
  });

  it("the end of the budget pauses the film, and a top up plays on", async (test) => {
    const { film, account } = await scene(test, { credit: 2n * PRICE, seconds: 7n });
    await film.watch({ config: { ...STEADY, maxBufferLength: 2, maxMaxBufferLength: 2 } });
    await film.set({ playbackRate: 2 });
    await film.until('it.errors.includes("INSUFFICIENT_BALANCE")');
    const broke = await film.look();
    assert.ok(BigInt(broke.paid) <= 7n * PRICE);
    await film.run("topUp", String(30n * PRICE));
    await film.call("play");
    await film.until("it.ended");
    await film.until('it.owed === "0"');
    await film.run("stop");
    assert.equal(account(), 20n * PRICE);
  });
});
