// What the page reads of the chain by itself, to show what happened there. Paying does not need any of it.

import { MillstreamError, type Hex } from "millstream";

/** Names of the adjudicator's calls, by the first four bytes of the call data: keccak256 of the signature. */
const CALLS: Record<string, string> = {
  "0x2fb1d270": "deposit",
  "0x31afa0b4": "transferAllAssets",
  "0x6d2a9c92": "checkpoint",
  "0x8286a060": "challenge",
  "0xd3c4e738": "reclaim",
  "0xec346235": "concludeAndTransferAllAssets",
  "0xee049b50": "conclude",
};

/** One transaction of a channel, as the chain has it. */
export interface ChainTransaction {
  readonly hash: Hex;
  /** The channel that its first log is about. */
  readonly channelId: Hex;
  /** The call, or its first four bytes if it has no name here. */
  readonly call: string;
  readonly from: Hex;
  readonly block: number;
  readonly gasUsed: bigint;
  /** What the sender paid for it, in wei. */
  readonly fee: bigint;
}

interface RpcReceipt {
  from: Hex;
  blockNumber: Hex;
  gasUsed: Hex;
  effectiveGasPrice: Hex;
}

export class ChainView {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** One JSON-RPC request. @throws {MillstreamError} CHAIN_UNREACHABLE or CHAIN_REFUSED */
  async rpc<T>(method: string, params: unknown[] = []): Promise<T> {
    let answer: { result?: T; error?: { message: string } };
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      });
      answer = (await response.json()) as typeof answer;
    } catch (cause) {
      throw new MillstreamError("CHAIN_UNREACHABLE", "the chain does not answer", { cause });
    }
    if (answer.error || answer.result === undefined)
      throw new MillstreamError("CHAIN_REFUSED", `${method}: ${answer.error?.message ?? "no answer"}`);
    return answer.result;
  }

  /** What an account has, or had after a block, in wei. */
  async balance(account: Hex, block?: number): Promise<bigint> {
    const at = block === undefined ? "latest" : `0x${block.toString(16)}`;
    return BigInt(await this.rpc<Hex>("eth_getBalance", [account, at]));
  }

  /** Time of the newest block, in seconds of the chain's clock. */
  async time(): Promise<number> {
    const { timestamp } = await this.rpc<{ timestamp: Hex }>("eth_getBlockByNumber", ["latest", false]);
    return Number(timestamp);
  }

  /** Every transaction that left a log of the adjudicator about one of these channels, in the order of the chain. */
  async transactions(adjudicator: Hex, channelIds: readonly Hex[]): Promise<ChainTransaction[]> {
    if (channelIds.length === 0) return [];
    const filter = { address: adjudicator, topics: [null, channelIds], fromBlock: "0x0", toBlock: "latest" };
    const logs = await this.rpc<{ transactionHash: Hex; topics: Hex[] }[]>("eth_getLogs", [filter]);
    const about = new Map<Hex, Hex>();
    for (const { transactionHash: hash, topics } of logs) if (!about.has(hash)) about.set(hash, topics[1] ?? "0x");
    return Promise.all([...about].map(([hash, channelId]) => this.#transaction(hash, channelId)));
  }

  async #transaction(hash: Hex, channelId: Hex): Promise<ChainTransaction> {
    const [receipt, { input }] = await Promise.all([
      this.rpc<RpcReceipt>("eth_getTransactionReceipt", [hash]),
      this.rpc<{ input: Hex }>("eth_getTransactionByHash", [hash]),
    ]);
    const selector = input.slice(0, 10);
    const gasUsed = BigInt(receipt.gasUsed);
    return {
      hash,
      channelId,
      call: CALLS[selector] ?? selector,
      from: receipt.from,
      block: Number(receipt.blockNumber),
      gasUsed,
      fee: gasUsed * BigInt(receipt.effectiveGasPrice),
    };
  }
}
