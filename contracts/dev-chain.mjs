// A development chain: anvil from the npm package @foundry-rs/anvil, with the contracts deployed on it.
//
// Speaks plain JSON-RPC, so that the demo needs no Ethereum library to use it. Every start is a new, empty chain.
// Deployments are the first transactions of the first account, in a fixed order, so that the addresses are the same
// at every start.

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { buildContracts } from "./build.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

const START_TIMEOUT_MS = 20_000;
const RECEIPT_TIMEOUT_MS = 60_000;
const RECEIPT_POLL_MS = 5;

/** In the order of deployment, which decides the addresses: append only. */
const DEPLOYMENTS = [
  ["adjudicator", "NitroAdjudicator"],
  ["streamApp", "StreamApp"],
  ["consensusApp", "ConsensusApp"],
  ["token", "TestToken"],
];

/** The chain cannot be started; `message` says what is missing. `code` is always "DEV_CHAIN_UNAVAILABLE". */
export class DevChainError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "DevChainError";
    this.code = "DEV_CHAIN_UNAVAILABLE";
  }
}

/** The chain answered a request with an error: `code` and `data` are those of JSON-RPC (`data`: revert data, if any). */
export class RpcError extends Error {
  constructor(method, { code, message, data }) {
    super(`${method}: ${message}`);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}

/**
 * @typedef {object} DevChain
 * @property {string} url JSON-RPC over HTTP and WebSocket, on the loopback interface only
 * @property {number} chainId EIP-155 chain id
 * @property {{ adjudicator: string, streamApp: string, consensusApp: string, token: string }} addresses
 * @property {string[]} accounts ten unlocked accounts with 10,000 ether each; the first one deployed the contracts
 * @property {(method: string, params?: unknown[]) => Promise<any>} rpc one request; throws {@link RpcError}
 * @property {() => Promise<void>} stop ends the chain; resolves when its process is gone, may be called again
 */

/**
 * Starts a chain and deploys the contracts (building them first if need be).
 *
 * The chain ends with `stop()`, and with this process in any case; it does not keep this process alive by itself.
 *
 * @param {object} [options]
 * @param {number} [options.port] TCP port, 0 for any free one
 * @param {number} [options.blockTime] seconds between blocks; without it each transaction is mined at once, in a block
 *   of its own. Deployments are mined at once in either case
 * @param {number} [options.chainId] EIP-155 chain id
 * @param {(line: string) => void} [options.log] told what is being done; silent without it
 * @returns {Promise<DevChain>}
 * @throws {DevChainError} anvil is not installed for this platform, or did not start (the port is taken, ...)
 * @throws {import('./build.mjs').BuildError} the contracts cannot be built
 */
export async function startDevChain({ port = 0, blockTime, chainId = 31337, log = () => {} } = {}) {
  const { outDir } = await buildContracts({ log });
  const { url, unref, stop } = await startAnvil({ port, chainId });
  const rpc = (method, params = []) => request(url, method, params);
  try {
    const accounts = await rpc("eth_accounts");
    const addresses = {};
    for (const [key, contractName] of DEPLOYMENTS) {
      const { bytecode } = JSON.parse(readFileSync(join(outDir, `${contractName}.json`), "utf8"));
      addresses[key] = await deploy(rpc, accounts[0], bytecode, contractName);
      log(`development chain: ${contractName} at ${addresses[key]}`);
    }
    if (blockTime !== undefined) await rpc("evm_setIntervalMining", [blockTime]);
    unref();
    log(`development chain: id ${chainId}, ${url}`);
    return { url, chainId, addresses, accounts, rpc, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function deploy(rpc, from, bytecode, contractName) {
  const receipt = await waitForReceipt(rpc, await rpc("eth_sendTransaction", [{ from, data: bytecode }]));
  if (receipt.status !== "0x1")
    throw new DevChainError(`${contractName} could not be deployed: its transaction reverted`);
  return receipt.contractAddress;
}

/**
 * The receipt of a transaction, once it is mined (with automine, shortly after it was sent; `status` is "0x1" or "0x0").
 *
 * @param {DevChain['rpc']} rpc
 * @param {string} hash transaction hash
 * @throws {DevChainError} it is not mined within a minute
 */
export async function waitForReceipt(rpc, hash) {
  const deadline = Date.now() + RECEIPT_TIMEOUT_MS;
  for (;;) {
    const receipt = await rpc("eth_getTransactionReceipt", [hash]);
    if (receipt) return receipt;
    if (Date.now() > deadline)
      throw new DevChainError(`transaction ${hash} is not mined after ${RECEIPT_TIMEOUT_MS / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, RECEIPT_POLL_MS));
  }
}

async function request(url, method, params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = await response.json();
  if (error) throw new RpcError(method, error);
  return result;
}

/** Path of the native anvil binary that npm installed for this platform. */
function anvilBinary() {
  const architecture = { x64: "amd64", arm64: "arm64" }[process.arch] ?? process.arch;
  const platformPackage = `@foundry-rs/anvil-${process.platform}-${architecture}`;
  const file = process.platform === "win32" ? "anvil.exe" : "anvil";
  let manifest;
  try {
    manifest = require.resolve("@foundry-rs/anvil/package.json");
  } catch (cause) {
    throw new DevChainError("the npm package @foundry-rs/anvil is not installed: run npm ci", { cause });
  }
  try {
    // resolved from anvil's own place: the platform package is its optional dependency, not ours
    return createRequire(manifest).resolve(`${platformPackage}/bin/${file}`);
  } catch (cause) {
    const downloaded = join(dirname(manifest), "..", "dist", file); // where its postinstall script puts it instead
    if (existsSync(downloaded)) return downloaded;
    throw new DevChainError(
      `the npm package ${platformPackage} (anvil for this platform) is not installed: ` +
        "run npm ci without --omit=optional; if anvil is not published for this platform, use another machine",
      { cause },
    );
  }
}

async function startAnvil({ port, chainId }) {
  const guard = spawn(
    process.execPath,
    [join(here, "anvil-guard.mjs"), anvilBinary(), "--port", String(port), "--chain-id", String(chainId)],
    // detached: an interrupt from the terminal goes to this process alone, which may still settle before it ends
    { stdio: ["pipe", "pipe", "pipe"], detached: true },
  );
  guard.stdin.on("error", () => {}); // the guard is already gone: its exit is what gets reported
  const exited = new Promise((resolve) => {
    guard.once("exit", resolve);
    guard.once("error", resolve);
  });
  const stop = async () => {
    guard.ref();
    guard.stdin.end();
    await exited;
  };

  let output = "";
  const url = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new DevChainError(`anvil did not start (${why})\n${output.trim()}`));
    const timer = setTimeout(() => fail(`not listening after ${START_TIMEOUT_MS / 1_000} s`), START_TIMEOUT_MS);
    const read = (text) => {
      output += text;
      const listening = /Listening on (\S+)\s/.exec(output);
      if (!listening) return;
      clearTimeout(timer);
      // anvil writes a line for every request: read on, or it would block on a full pipe; keep nothing
      for (const stream of [guard.stdout, guard.stderr]) stream.off("data", read).resume();
      resolve(`http://${listening[1]}`);
    };
    for (const stream of [guard.stdout, guard.stderr]) stream.setEncoding("utf8").on("data", read);
    guard.once("error", (error) => {
      clearTimeout(timer);
      fail(error.message);
    });
    // 'close' comes after 'exit', when all output has been read
    guard.once("close", (status) => {
      clearTimeout(timer);
      fail(`exit status ${status}`);
    });
  }).catch(async (error) => {
    await stop();
    throw error;
  });

  const unref = () => {
    guard.unref();
    for (const stream of [guard.stdin, guard.stdout, guard.stderr]) stream.unref();
  };
  return { url, unref, stop };
}
