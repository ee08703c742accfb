// What a wallet needs of a chain, and two ways to get it: a node's JSON-RPC, and a wallet in the browser (EIP-1193).

import { toBytes, toHex } from "./encoding.js";
import { MillstreamError, checkHex, checkInteger, checkUrl } from "./errors.js";
import {
  RpcError,
  checkLog,
  hexData,
  httpRequest,
  isObject,
  malformed,
  quantity,
  transactionError,
  waitMined,
  type RpcRequest,
} from "./rpc.js";
import type { Hex, Log } from "./types.js";

/** The contracts that channels settle on, and their chain. */
export interface Contracts {
  /** EIP-155 chain id. */
  readonly chainId: number;
  /** The Nitro adjudicator. */
  readonly adjudicator: Hex;
  /** The StreamApp contract. */
  readonly streamApp: Hex;
  /** The ConsensusApp contract. */
  readonly consensusApp: Hex;
}

/** A transaction to send. */
export interface TransactionRequest {
  readonly to: Hex;
  /** Native asset sent along, in wei. */
  readonly value: bigint;
  readonly data: Uint8Array;
}

/** A mined transaction that succeeded. */
export interface TransactionReceipt {
  readonly hash: Hex;
  readonly block: number;
  readonly gasUsed: bigint;
}

/** A chain, as a wallet uses it. */
export interface Chain {
  readonly contracts: Contracts;
  /** No log of the adjudicator is older than this block; 0 if not known. Reading starts here at the earliest. */
  readonly firstBlock?: number;
  /** The account that sends transactions; also where a wallet is paid out unless told otherwise. */
  account(): Promise<Hex>;
  /**
   * Sends a transaction and waits until it is mined. `onSent` is told its hash as soon as there is one.
   *
   * @throws {MillstreamError} `TRANSACTION_REVERTED` if the contract refused it, `TRANSACTION_REJECTED` if the account's
   *   owner did, `TRANSACTION_REFUSED` if the node did, `TRANSACTION_DROPPED` if it vanished before it was mined,
   *   `WRONG_CHAIN`, `CHAIN_UNREACHABLE`, `CHAIN_ANSWER_MALFORMED`, `ABORTED` (it may still be mined)
   */
  sendTransaction(
    transaction: TransactionRequest,
    options?: { signal?: AbortSignal | undefined; onSent?: ((hash: Hex) => void) | undefined },
  ): Promise<TransactionReceipt>;
  /**
   * The newest block, its time in seconds of the chain's clock, and its hash, by which a block that took another's place is
   * noticed at once.
   *
   * @throws {MillstreamError} `WRONG_CHAIN`, `CHAIN_UNREACHABLE`, `CHAIN_ANSWER_MALFORMED`, `ABORTED`
   */
  head(options?: { signal?: AbortSignal | undefined }): Promise<{ block: number; time: number; hash?: Hex }>;
  /**
   * The hash of a block; `undefined` if the chain does not have it (any more). With it a reorganisation is noticed however
   * deep it is; without it, only as deep as twice the confirmations.
   *
   * @throws {MillstreamError} as {@link Chain.head}
   */
  blockHash?(block: number, options?: { signal?: AbortSignal | undefined }): Promise<Hex | undefined>;
  /**
   * The adjudicator's logs in the blocks `fromBlock` to `toBlock`, both included, in order; `Checkpointed` and
   * `ChallengeCleared` with the call that logged them, if that was sent to the adjudicator directly.
   *
   * @throws {MillstreamError} as {@link Chain.head}
   */
  logs(fromBlock: number, toBlock: number, options?: { signal?: AbortSignal | undefined }): Promise<Log[]>;
}

/** How a node is reached, and which account of it pays. */
export interface RpcChainOptions {
  url: string;
  contracts: Contracts;
  /** An account that the node itself signs for, as on a development chain. Default: its first. */
  account?: Hex | undefined;
  /** The block that the contracts were deployed in: no older one is searched. Default 0. */
  firstBlock?: number | undefined;
  /** How often a transaction is asked for until it is mined, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
  fetch?: typeof fetch | undefined;
}

/**
 * A chain through the JSON-RPC of one of its nodes.
 *
 * @throws {MillstreamError} `INVALID_ARGUMENT`, `INVALID_HEX`
 */
export function rpcChain(options: RpcChainOptions): Chain {
  const { url, contracts, account, fetch = globalThis.fetch.bind(globalThis), ...rest } = options;
  checkUrl(url, "url");
  const given = account === undefined ? undefined : checkHex(account, "account", 20);
  return chainOf(oneByOne(httpRequest(url, fetch)), contracts, {
    ...rest,
    account: async (request) => given ?? firstAccount(await request("eth_accounts", []), "eth_accounts"),
  });
}

/** Sends transactions one after the other: a node that signs for an account may give two at once the same nonce. */
function oneByOne(request: RpcRequest): RpcRequest {
  let last: Promise<unknown> = Promise.resolve();
  return (method, params, signal) => {
    if (method !== "eth_sendTransaction") return request(method, params, signal);
    const answer = last.then(() => request(method, params, signal));
    last = answer.catch(() => {});
    return answer;
  };
}

/** What a chain is made of, besides its requests. */
export interface ChainParts {
  /** The account, found anew every time: a user may switch it. */
  account(request: RpcRequest): Promise<Hex>;
  firstBlock?: number | undefined;
  pollInterval?: number | undefined;
}

/** A chain over any JSON-RPC. */
export function chainOf(request: RpcRequest, contracts: Contracts, parts: ChainParts): Chain {
  const checked = checkContracts(contracts);
  const pollInterval = checkInteger(parts.pollInterval ?? 1_000, "pollInterval", 1, 3_600_000);
  const firstBlock = checkInteger(parts.firstBlock ?? 0, "firstBlock");
  const calls = new Calls(checked.adjudicator);
  let rightChain = false;

  const ask: RpcRequest = async (method, params, signal) => {
    try {
      return await request(method, params, signal);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (error.rpcCode === 4001) throw transactionError(error);
      const message = `the chain's node answers ${method} with an error: ${error.message}`;
      throw new MillstreamError("CHAIN_UNREACHABLE", message, { cause: error });
    }
  };
  /** A node's chain does not change; a user's does, so that is asked before every transaction. */
  const checkChain = async (signal: AbortSignal | undefined, again = false) => {
    if (rightChain && !again) return;
    const chainId = quantity(await ask("eth_chainId", [], signal), "eth_chainId", "the chain id");
    rightChain = chainId === checked.chainId;
    if (!rightChain)
      throw new MillstreamError(
        "WRONG_CHAIN",
        `connected to chain ${chainId}, the contracts are on chain ${checked.chainId}: switch the network`,
      );
  };

  return {
    contracts: checked,
    firstBlock,
    account: () => parts.account(ask),
    async sendTransaction({ to, value, data }, { signal, onSent } = {}) {
      await checkChain(signal, true);
      const from = await parts.account(ask);
      const transaction = { from, to, value: `0x${value.toString(16)}`, data: toHex(data) };
      let hash: Hex;
      try {
        const answer = await request("eth_sendTransaction", [transaction], signal);
        hash = hexData(answer, "eth_sendTransaction", "the transaction hash", 32);
      } catch (error) {
        throw transactionError(error);
      }
      onSent?.(hash);
      const mined = await waitMined(request, hash, pollInterval, signal);
      if (mined.succeeded) return { hash, block: mined.block, gasUsed: mined.gasUsed };
      throw await whyReverted(request, transaction, mined.block, hash, signal);
    },
    async head({ signal } = {}) {
      await checkChain(signal);
      const method = "eth_getBlockByNumber";
      const block = await ask(method, ["latest", false], signal);
      if (!isObject(block)) throw malformed(method, "not a block");
      return {
        block: quantity(block["number"], method, "number"),
        time: quantity(block["timestamp"], method, "timestamp"),
        hash: hexData(block["hash"], method, "hash", 32),
      };
    },
    async blockHash(number, { signal } = {}) {
      await checkChain(signal);
      const method = "eth_getBlockByNumber";
      const block = await ask(method, [`0x${number.toString(16)}`, false], signal);
      if (block === null) return undefined;
      if (!isObject(block)) throw malformed(method, "not a block");
      return hexData(block["hash"], method, "hash", 32);
    },
    async logs(fromBlock, toBlock, { signal } = {}) {
      await checkChain(signal);
      const hex = (block: number) => `0x${block.toString(16)}`;
      const filter = { address: checked.adjudicator, fromBlock: hex(fromBlock), toBlock: hex(toBlock) };
      const answer = await ask("eth_getLogs", [filter], signal);
      if (!Array.isArray(answer)) throw malformed("eth_getLogs", "not a list");
      const logs: Log[] = [];
      for (const value of answer) {
        const log = checkLog(value, checked.adjudicator, fromBlock, toBlock);
        logs.push(await calls.addTo(log, value, (hash) => ask("eth_getTransactionByHash", [hash], signal)));
      }
      return logs.sort((a, b) => a.block - b.block || a.logIndex - b.logIndex);
    },
  };
}

/**
 * The logs that do not say the state: `Checkpointed(bytes32,uint48)`, `ChallengeCleared(bytes32,uint48)`,
 * `Concluded(bytes32,uint48)`, `Reclaimed(bytes32,uint256)`.
 */
const STATELESS = new Set<Hex>([
  "0xf3f2d5574c50e581f1a2371fac7dee87f7c6d599a496765fbfa2547ce7fd5f1a",
  "0x07da0a0674fb921e484018c8b81d80e292745e5d8ed134b580c8b9c631c5e9e0",
  "0x4f465027a3d06ea73dd12be0f5c5fc0a34e21f19d6eaed4834a7a944edabc901",
  "0x4d3754632451ebba9812a9305e7bca17b67a17186a5cff93d2e9ae1b01e3d27b",
]);
/** How many calls are remembered, since every log is read several times. */
const MAX_CALLS = 64;

/** The calls behind logs that do not say enough. */
class Calls {
  readonly #adjudicator: Hex;
  readonly #known = new Map<Hex, Uint8Array>();

  constructor(adjudicator: Hex) {
    this.#adjudicator = adjudicator;
  }

  /**
   * The log with its call, if it needs one. Of a call through another contract only a trace would tell what reached the
   * adjudicator; then the log stays without.
   */
  async addTo(log: Log, value: unknown, transaction: (hash: Hex) => Promise<unknown>): Promise<Log> {
    if (!STATELESS.has(log.topics[0] ?? "0x") || !isObject(value)) return log;
    const hash = hexData(value["transactionHash"], "eth_getLogs", "transactionHash", 32);
    let call = this.#known.get(hash);
    if (!call) {
      call = this.#callOf(await transaction(hash));
      const [oldest] = this.#known.keys();
      if (this.#known.size >= MAX_CALLS && oldest) this.#known.delete(oldest);
      if (call) this.#known.set(hash, call);
    }
    return call ? { ...log, call } : log;
  }

  #callOf(transaction: unknown): Uint8Array | undefined {
    if (!isObject(transaction) || typeof transaction["to"] !== "string") return undefined;
    if (transaction["to"].toLowerCase() !== this.#adjudicator) return undefined;
    return toBytes(hexData(transaction["input"], "eth_getTransactionByHash", "input"));
  }
}

/** Runs a reverted transaction again to learn why; the bare fact if that cannot be had. */
async function whyReverted(
  request: RpcRequest,
  transaction: unknown,
  block: number,
  hash: Hex,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const bare = new MillstreamError("TRANSACTION_REVERTED", `transaction ${hash} was mined and reverted`, {
    details: { transactionHash: hash },
  });
  try {
    await request("eth_call", [transaction, `0x${block.toString(16)}`], signal);
    return bare;
  } catch (error) {
    const why = transactionError(error, hash);
    return why instanceof MillstreamError && why.code === "TRANSACTION_REVERTED" ? why : bare;
  }
}

/** The first of a list of accounts. */
export function firstAccount(accounts: unknown, method: string): Hex {
  if (!Array.isArray(accounts)) throw malformed(method, "not a list");
  if (accounts.length === 0)
    throw new MillstreamError("NO_ACCOUNT", "there is no account to send transactions from: connect one");
  return hexData(accounts[0], method, "the account", 20);
}

/** Checked copy of what names the contracts. */
export function checkContracts({ chainId, adjudicator, streamApp, consensusApp }: Contracts): Contracts {
  return {
    chainId: checkInteger(chainId, "chainId", 1),
    adjudicator: checkHex(adjudicator, "adjudicator", 20),
    streamApp: checkHex(streamApp, "streamApp", 20),
    consensusApp: checkHex(consensusApp, "consensusApp", 20),
  };
}
