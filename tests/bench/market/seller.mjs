// The seller of a benchmark, in a process of its own, with a store on the disk. The same server gives the same file away,
// for comparison, and has what a page in a browser needs to be a buyer.

import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { rpcChain } from "millstream";
import { fileStore } from "millstream/node";
import { Seller, nodeHandler } from "millstream/server";

import { answer } from "../../../wasm/dist/seller-http.js";
import { dist } from "../module.mjs";
import { answerParent } from "./child.mjs";

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const here = fileURLToPath(new URL(".", import.meta.url));

const FIRST = "/film-0";
let seller;
let file;
let handle;
let size;
/** How many requests the seller itself got. */
let requests = 0;

/** The first and last byte that a request asks for. */
function rangeOf(header) {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(header ?? "") ?? [];
  return { first: Number(first), last: Number(last) };
}

/** What a 206 says, as the seller's do. */
function headersOf({ first, last }, length) {
  return {
    "content-type": "application/octet-stream",
    "content-length": String(last - first + 1),
    "content-range": `bytes ${first}-${last}/${length}`,
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
  };
}

/** The file unpaid, read, checked and sent by what the seller reads, checks and sends it with. */
const givePlain = nodeHandler(async (request) => {
  const listing = seller.listings[0];
  const range = rangeOf(request.headers.get("range"));
  const chunk = await listing.open(range.first / listing.chunkSize);
  return answer(206, chunk.body(0, chunk.length), headersOf(range, listing.length));
});

/** The file unpaid, with as little as Node needs for it: nothing is checked. */
async function giveBare(request, response) {
  const { first, last } = rangeOf(request.headers.range);
  const bytes = Buffer.allocUnsafe(last - first + 1);
  await handle.read(bytes, 0, bytes.length, first);
  response.writeHead(206, headersOf({ first, last }, seller.listings[0].length)).end(bytes);
}

/** The page of a buyer: nothing but the package and the code of this folder. */
async function givePage(path, response) {
  const base = path.startsWith("/dist/") ? join(dist, "..") : join(here, "..");
  const body = path === "/page" ? "<!doctype html><title>buyer</title>" : await readFile(join(base, path));
  response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/html" }).end(body);
}

async function start({ chainUrl, contracts, account, folder, content, price, chunkSize, hubs }) {
  file = content;
  size = chunkSize;
  handle = await open(file, "r");
  seller = await Seller.open({
    chain: rpcChain({ url: chainUrl, contracts, account, pollInterval: 50 }),
    store: fileStore(join(folder, "seller")),
    confirmations: 1,
    policy: { minConfirmations: 1 },
    hubs,
  });
  const { length } = await seller.add(FIRST, { file }, { price, chunkSize });
  const sell = nodeHandler((request) => seller.handle(request));
  const server = createServer((request, response) => {
    const [path] = request.url.split("?");
    const failed = (error) => response.writeHead(500).end(String(error));
    if (path === "/plain") return givePlain(request, response);
    if (path === "/bare") return void giveBare(request, response).catch(failed);
    if (/^\/(page$|dist\/|market\/|favicon)/.test(path)) return void givePage(path, response).catch(failed);
    requests += 1;
    sell(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: server.address().port, length };
}

answerParent({
  start,
  /** The same file again at another price, so that nobody has bought it. */
  list: async (path, price) => void (await seller.add(path, { file }, { price, chunkSize: size })),
  unlist: (path) => seller.remove(path),
  /** How many requests it got since it was last asked. */
  requests() {
    const count = requests;
    requests = 0;
    return count;
  },
});
