// Ethereum JSON-RPC: requests, checked answers, and what a chain needs of it. The node is not trusted to be well-formed.

import { toBytes, toHex } from "./encoding.js";
import { MillstreamError, aborted, isMillstreamError } from "./errors.js";
import { withDeadline } from "./deadline.js";
import { sleep } from "./waits.js";
import type { Hex, Log } from "./types.js";

/**
 * One request, e.g. over HTTP or an EIP-1193 provider.
 *
 * @throws {RpcError} the node answered with an error
 * @throws {MillstreamError} `CHAIN_UNREACHABLE`, `CHAIN_ANSWER_MALFORMED`, `ABORTED`
 */
export type RpcRequest = (method: string, params: readonly unknown[], signal?: AbortSignal) => Promise<unknown>;

/** An error answer of JSON-RPC or EIP-1193. */
export class RpcError extends Error {
  readonly rpcCode: number | undefined;
  readonly data: unknown;

  constructor(message: string, rpcCode: number | undefined, data: unknown) {
    super(message);
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** An answer is at most this long, in characters: 2,000 blocks full of logs stay below. */
const MAX_ANSWER = 64 * 1024 * 1024;
/** How long a node may take for an answer, in milliseconds. */
const ANSWER_TIMEOUT = 20_000;

/** JSON-RPC over HTTP POST. */
export function httpRequest(url: string, fetch: typeof globalThis.fetch): RpcRequest {
  let id = 0;
  return async (method, params, signal) => {
    id += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    let text: string;
    let status: number;
    try {
      [status, text] = await withDeadline(signal, ANSWER_TIMEOUT, async (deadline) => {
        const headers = { "content-type": "application/json" };
        const response = await fetch(url, { method: "POST", headers, body, signal: deadline });
        return [response.status, await response.text()];
      });
    } catch (cause) {
      if (signal?.aborted) throw aborted(signal, method);
      throw new MillstreamError("CHAIN_UNREACHABLE", `the chain's node at ${url} does not answer`, { cause });
    }
    if (status >= 500 || status === 429) {
      const message = `the chain's node at ${url} answered with status ${status}`;
      throw new MillstreamError("CHAIN_UNREACHABLE", message, { details: { status } });
    }
    const answer = parse(text, method);
    if (isObject(answer["error"])) {
      const { message, code, data } = answer["error"];
      throw new RpcError(clip(message), typeof code === "number" ? code : undefined, data);
    }
    if (!("result" in answer)) throw malformed(method, "neither result nor error");
    return answer["result"];
  };
}

function parse(text: string, method: string): Record<string, unknown> {
  if (text.length > MAX_ANSWER) throw malformed(method, "too long");
  try {
    const answer: unknown = JSON.parse(text);
    if (isObject(answer)) return answer;
  } catch {
    // Falls through: it is not an answer either way.
  }
  throw malformed(method, "not a JSON-RPC answer");
}

// ---- checked values -------------------------------------------------------------------------------------------------

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function malformed(method: string, what: string): MillstreamError {
  return new MillstreamError("CHAIN_ANSWER_MALFORMED", `the chain's answer to ${method} cannot be used: ${what}`);
}

/** What others wrote, for a message: as a string, and not too much of it. */
export function clip(text: unknown): string {
  return typeof text === "string" ? text.slice(0, 300) : "not said";
}

/** A JSON-RPC quantity as a safe integer. */
export function quantity(value: unknown, method: string, field: string): number {
  const number = typeof value === "string" && /^0x[0-9a-f]{1,14}$/i.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number)) throw malformed(method, `${field} is not a number`);
  return number;
}

/** Data of `length` bytes, or of any length. */
export function hexData(value: unknown, method: string, field: string, length?: number): Hex {
  if (typeof value !== "string" || !/^0x(?:[0-9a-f]{2})*$/i.test(value)) throw malformed(method, `${field} is not hex`);
  if (length !== undefined && value.length !== 2 + 2 * length)
    throw malformed(method, `${field} does not have ${length} bytes`);
  return value.toLowerCase() as Hex;
}

/** One log of `eth_getLogs`, for the blocks and the contract that were asked for. */
export function checkLog(value: unknown, address: Hex, fromBlock: number, toBlock: number): Log {
  const method = "eth_getLogs";
  if (!isObject(value) || !Array.isArray(value["topics"]) || value["topics"].length > 4)
    throw malformed(method, "a log is not one");
  const log: Log = {
    address: hexData(value["address"], method, "address", 20),
    topics: value["topics"].map((topic) => hexData(topic, method, "topic", 32)),
    data: toBytes(hexData(value["data"], method, "data")),
    block: quantity(value["blockNumber"], method, "blockNumber"),
    logIndex: quantity(value["logIndex"], method, "logIndex"),
  };
  if (log.address !== address) throw malformed(method, "a log of another contract");
  if (log.block < fromBlock || log.block > toBlock) throw malformed(method, "a log of a block that was not asked for");
  if (value["removed"] === true) throw malformed(method, "a log that was removed");
  return log;
}

// ---- transactions ---------------------------------------------------------------------------------------------------

/** What a mined transaction left behind. */
export interface Mined {
  readonly hash: Hex;
  readonly block: number;
  readonly gasUsed: bigint;
  readonly succeeded: boolean;
}

/** How long a transaction may be unknown to the node before it counts as dropped, in milliseconds. */
const DROPPED_AFTER = 60_000;

/**
 * Waits until a transaction is mined. A node that does not answer is asked again until the signal ends the wait.
 *
 * @throws {MillstreamError} `TRANSACTION_DROPPED`, `CHAIN_ANSWER_MALFORMED`, `ABORTED`
 */
export async function waitMined(
  request: RpcRequest,
  hash: Hex,
  pollInterval: number,
  signal: AbortSignal | undefined,
): Promise<Mined> {
  const method = "eth_getTransactionReceipt";
  let unknownSince: number | undefined;
  let pause = pollInterval;
  for (let round = 1; ; round++) {
    try {
      const receipt = await request(method, [hash], signal);
      if (isObject(receipt)) return checkReceipt(receipt, hash);
      if (receipt !== null) throw malformed(method, "not a receipt");
      if (round % 10 === 0) {
        const known = isObject(await request("eth_getTransactionByHash", [hash], signal));
        unknownSince = known ? undefined : (unknownSince ?? Date.now());
      }
      pause = pollInterval;
    } catch (error) {
      if (!isTransient(error)) throw error;
      pause = Math.min(pause * 2, 30_000);
    }
    if (unknownSince !== undefined && Date.now() - unknownSince > DROPPED_AFTER)
      throw new MillstreamError(
        "TRANSACTION_DROPPED",
        `transaction ${hash} vanished before it was mined: it was replaced, or its fee was too low. Try again`,
        { details: { transactionHash: hash } },
      );
    await sleep(pause, signal, "waiting for the transaction");
  }
}

/** Whether asking again may help. */
function isTransient(error: unknown): boolean {
  return error instanceof RpcError || (isMillstreamError(error) && error.code === "CHAIN_UNREACHABLE");
}

function checkReceipt(receipt: Record<string, unknown>, hash: Hex): Mined {
  const method = "eth_getTransactionReceipt";
  if (hexData(receipt["transactionHash"], method, "transactionHash", 32) !== hash)
    throw malformed(method, "the receipt of another transaction");
  const status = receipt["status"];
  if (status !== "0x0" && status !== "0x1") throw malformed(method, "status is neither 0x0 nor 0x1");
  return {
    hash,
    block: quantity(receipt["blockNumber"], method, "blockNumber"),
    gasUsed: BigInt(quantity(receipt["gasUsed"], method, "gasUsed")),
    succeeded: status === "0x1",
  };
}

/**
 * What a node or wallet says when it does not take a transaction, as a typed error.
 *
 * 4001 is EIP-1193's "user rejected"; 3 is what geth, and anvil like it, answer to a call that reverts.
 */
export function transactionError(error: unknown, transactionHash?: Hex): unknown {
  if (!(error instanceof RpcError)) return error;
  const hash = transactionHash === undefined ? {} : { transactionHash };
  if (error.rpcCode === 4001)
    return new MillstreamError(
      "TRANSACTION_REJECTED",
      "the transaction was declined in the wallet that should send it",
      {
        cause: error,
        details: hash,
      },
    );
  const data = revertData(error.data);
  if (error.rpcCode === 3 || data !== undefined || /revert/i.test(error.message)) {
    const reason = (data && revertReason(data)) ?? error.message;
    return new MillstreamError("TRANSACTION_REVERTED", `the contract refuses the transaction: ${clip(reason)}`, {
      cause: error,
      details: { ...hash, ...(data !== undefined && { revertData: data }) },
    });
  }
  return new MillstreamError(
    "TRANSACTION_REFUSED",
    `the chain's node refuses the transaction: ${clip(error.message)}`,
    {
      cause: error,
      details: hash,
    },
  );
}

/** Revert data where nodes put it: as the error's data, or inside of it. */
function revertData(data: unknown): Hex | undefined {
  const found = isObject(data) ? (data["data"] ?? data["result"]) : data;
  if (typeof found === "string" && /^0x(?:[0-9a-f]{2}){4,4096}$/i.test(found)) return found.toLowerCase() as Hex;
  return undefined;
}

/** The text of Solidity's `Error(string)`; `undefined` for anything else. */
export function revertReason(data: Hex): string | undefined {
  if (!data.startsWith("0x08c379a0")) return undefined;
  const bytes = toBytes(data).subarray(4);
  const word = (at: number) => (bytes.length >= at + 32 ? Number(BigInt(toHex(bytes.subarray(at, at + 32)))) : NaN);
  const length = word(32);
  if (word(0) !== 32 || !(length <= bytes.length - 64)) return undefined;
  return new TextDecoder().decode(bytes.subarray(64, 64 + length));
}
