// Everything that the demo runs on one machine: a development chain, a seller, one web server for page and content, and a hub
// if one is asked for.

import { createServer } from "node:http";
import { readFile, readdir } from "node:fs/promises";
import { extname, join } from "node:path";

import { startDevChain } from "@millstream/contracts/dev-chain";
import { rpcChain } from "millstream";
import { Seller, nodeHandler } from "millstream/server";

import { buildPage } from "./build.mjs";
import { DemoError } from "./errors.mjs";
import { startHub } from "./hub.mjs";
import { media } from "./media.mjs";

/** Seconds to answer a challenge: short, so that a visitor can watch one end. Real channels take an hour and more. */
const CHALLENGE_DURATION = 60;
const CONFIRMATIONS = 2;
const CHUNK_SIZE = 256 * 1024;
/** In wei, per chunk of 256 KiB: 0.00001 ETH. */
export const DEFAULT_PRICE = 10_000_000_000_000n;
/** A hub takes this part of a chunk's price for a channel. */
const FEE_DIVISOR = 4n;
const BODY_LIMIT = 256 * 1024;

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};
/** `callable`: the origins that the page may call beside its own. */
const pageHeaders = (callable) => ({
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; " +
    `media-src blob:; connect-src ${["'self'", ...callable].join(" ")}; base-uri 'none'; form-action 'none'; ` +
    "frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
});

/**
 * @typedef {object} Demo
 * @property {string} url address of the page
 * @property {import("node:http").Server} server serves page and content
 * @property {import("@millstream/contracts/dev-chain").DevChain} chain
 * @property {Seller} seller
 * @property {import("./hub.mjs").DemoHub} [hub]
 * @property {object} config what `GET /config.json` answers
 * @property {string} file absolute path of the file for sale
 * @property {(open: boolean) => void} setShopOpen a closed shop cuts every connection; the seller's wallet goes on
 * @property {() => Promise<void>} stop
 */

/**
 * Starts the demo.
 *
 * @param {object} [options]
 * @param {string} [options.file] what to sell; a media file made for it by default
 * @param {number} [options.port] of the web server, on the loopback interface; 0 for any free one
 * @param {bigint} [options.price] per chunk, in wei
 * @param {"hub"} [options.via] buyers go through a hub; without it they open channels with the seller itself
 * @param {(line: string) => void} [options.log]
 * @returns {Promise<Demo>}
 * @throws {DemoError} with a code: PORT_BUSY, FILE_UNREADABLE, PACKAGE_NOT_BUILT, PAGE_BUILD_FAILED
 */
export async function startDemo({ file, port = 8402, price = DEFAULT_PRICE, via, log = () => {} } = {}) {
  const stops = [];
  const stop = async () => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    // The port first: whether it is free is known at once, everything else takes seconds.
    const server = createServer();
    await listen(server, port);
    stops.push(
      () =>
        new Promise((resolve) => {
          server.close(() => resolve()); // also if it is closed already
          server.closeAllConnections();
        }),
    );
    const url = `http://127.0.0.1:${server.address().port}`;

    const pageFolder = await buildPage({ log });
    const item = await media(file, log);
    log("starting a development chain with a block every second");
    const chain = await startDevChain({ blockTime: 1, log: (line) => log(line.replace("development chain: ", "  ")) });
    stops.push(chain.stop);

    const [, buyer, destination, hubAccount] = chain.accounts;
    const { adjudicator, streamApp, consensusApp } = chain.addresses;
    const contracts = { chainId: chain.chainId, adjudicator, streamApp, consensusApp };
    const terms = {
      challengeDuration: CHALLENGE_DURATION,
      confirmations: CONFIRMATIONS,
      policy: { minChallengeDuration: CHALLENGE_DURATION, minConfirmations: CONFIRMATIONS },
    };
    let hub;
    if (via === "hub") {
      const fee = (price + FEE_DIVISOR - 1n) / FEE_DIVISOR;
      hub = await startHub({ chainUrl: chain.url, contracts, account: hubAccount, fee, terms });
      stops.push(hub.stop);
      log(`a hub at ${hub.url}, which takes ${fee} wei for a channel`);
    }
    const seller = await Seller.open({
      chain: rpcChain({ url: chain.url, contracts, account: destination, pollInterval: 250 }),
      destination,
      pollInterval: 250,
      ...terms,
      ...(hub && { hubs: [hub.url] }),
    });
    stops.push(() => seller.stop());
    const path = `/content/${encodeURIComponent(item.name)}`;
    const listing = await seller.add(
      path,
      { file: item.file },
      { price, chunkSize: CHUNK_SIZE, contentType: item.contentType, name: item.name },
    );
    log(
      `for sale: ${item.name} (${item.about}), ${listing.length} bytes in chunks of ${CHUNK_SIZE}, ${price} wei each`,
    );

    const config = {
      contracts,
      rpcUrl: "/rpc",
      walletRpcUrl: chain.url,
      accounts: { buyer, seller: destination, tap: chain.accounts[9], ...(hub && { hub: hub.account }) },
      ...(hub && { hub: hub.url }),
      item: {
        path,
        name: item.name,
        about: item.about,
        contentType: item.contentType,
        length: listing.length,
        chunkSize: CHUNK_SIZE,
        price: String(price),
      },
      challengeDuration: CHALLENGE_DURATION,
      confirmations: CONFIRMATIONS,
    };
    const sameOrigin = ({ headers: { origin, host } }) => origin === undefined || origin === `http://${host}`;
    const page = await loadPage(pageFolder, hub ? [hub.url] : []);
    /** A hub without a ledger to the seller is of no use to who comes next. */
    const reach = () => hub?.reach(url + path, price * BigInt(listing.chunks));
    let shopOpen = true;
    const setShopOpen = (open) => {
      shopOpen = open;
    };
    const sell = nodeHandler((request) => seller.handle(request));
    server.on("request", (request, response) => {
      const [pathname] = request.url.split("?");
      const own = ownRoute(request.method, pathname, { page, config, chainUrl: chain.url, setShopOpen, hub, reach });
      // Pages of other origins may buy; the chain and the switches are this page's.
      if (own && !sameOrigin(request))
        send(response, 403, { error: { code: "FOREIGN_ORIGIN", message: "not for this page" } });
      else if (own) {
        own(request, response).catch((error) => {
          log(`${request.method} ${pathname}: ${error.message}`);
          if (response.headersSent) response.destroy();
          else
            send(response, error.status ?? 502, {
              error: { code: error.code ?? "DEMO_FAILED", message: error.message },
            });
        });
      } else if (shopOpen) sell(request, response);
      else request.socket.destroy(); // as if there were no server
    });
    if (hub) log("the hub opens a ledger with the seller");
    await reach();
    return { url, server, chain, seller, hub, config, file: item.file, setShopOpen, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const [code, why] =
        cause.code === "EADDRINUSE"
          ? ["PORT_BUSY", "is in use already: end the program that has it"]
          : ["PORT_UNUSABLE", `cannot be listened on (${cause.code})`];
      const text = `port ${port} ${why}, or take another one: npm run demo -- --port 0 takes any that is free`;
      reject(new DemoError(code, text, { cause }));
    });
    server.listen(port, "127.0.0.1", resolve);
  });
}

/** The built page in memory: path → body and headers. */
async function loadPage(folder, callable) {
  const page = new Map();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.startsWith(".")) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const path = `/${file.slice(folder.length + 1).replaceAll("\\", "/")}`;
    const headers = {
      ...pageHeaders(callable),
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      // names in assets/ carry a hash of the content
      "cache-control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
    };
    page.set(path, { body: await readFile(file), headers });
  }
  page.set("/", page.get("/index.html"));
  return page;
}

/** What this server answers itself; everything else is the seller's. */
function ownRoute(method, path, { page, config, chainUrl, setShopOpen, hub, reach }) {
  const found = page.get(path);
  if (found && (method === "GET" || method === "HEAD"))
    return async (_request, response) => {
      response.writeHead(200, { ...found.headers, "content-length": found.body.length });
      response.end(method === "HEAD" ? undefined : found.body);
    };
  if (method === "GET" && path === "/config.json")
    return async (_request, response) => {
      await reach();
      send(response, 200, config);
    };
  // One origin for page and chain keeps the page's security policy to 'self'.
  if (method === "POST" && path === "/rpc")
    return async (request, response) => {
      const answer = await fetch(chainUrl, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: await readBody(request),
      });
      const body = Buffer.from(await answer.arrayBuffer());
      response.writeHead(answer.status, { "content-type": "application/json", "cache-control": "no-store" });
      response.end(body);
    };
  if (method === "POST" && path === "/demo/shop")
    return async (request, response) => {
      const open = (await readBody(request)).toString("utf8") === "open";
      setShopOpen(open);
      send(response, 200, { open });
    };
  if (hub && method === "POST" && path === "/demo/hub")
    return async (request, response) => {
      const open = (await readBody(request)).toString("utf8") === "open";
      hub.setOpen(open);
      send(response, 200, { open });
    };
  if (hub && method === "POST" && path === "/demo/settle")
    return async (_request, response) => {
      await hub.settle();
      send(response, 200, {});
    };
  return null;
}

async function readBody(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > BODY_LIMIT)
      throw Object.assign(new Error("request body is too large"), { status: 413, code: "TOO_LARGE" });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function send(response, status, value) {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(value));
}
