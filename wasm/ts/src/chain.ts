// What a wallet needs of a chain.

import type { Hex, Log } from "./types.js";

/** The contracts that channels settle on, and their chain. */
export interface Contracts {
  /** EIP-155 chain id. */
  readonly chainId: number;
  /** The Nitro adjudicator. */
  readonly adjudicator: Hex;
  /** The StreamApp contract. */
  readonly streamApp: Hex;
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
   * Sends a transaction and waits until it is mined.
   *
   * @throws {MillstreamError} `TRANSACTION_REVERTED` if the contract refused it, `TRANSACTION_REJECTED` if the account's
   *   owner did, `TRANSACTION_REFUSED` if the node did, `TRANSACTION_DROPPED` if it vanished before it was mined,
   *   `WRONG_CHAIN`, `CHAIN_UNREACHABLE`, `CHAIN_ANSWER_MALFORMED`, `ABORTED`
   */
  sendTransaction(
    transaction: TransactionRequest,
    options?: { signal?: AbortSignal | undefined; onSent?: ((hash: Hex) => void) | undefined },
  ): Promise<TransactionReceipt>;
  /** The newest block and its time, in seconds of the chain's clock. */
  head(options?: { signal?: AbortSignal | undefined }): Promise<{ block: number; time: number }>;
  /** The adjudicator's logs in the blocks `fromBlock` to `toBlock`, both included, in order. */
  logs(fromBlock: number, toBlock: number, options?: { signal?: AbortSignal | undefined }): Promise<Log[]>;
}

export declare function rpcChain(options: {
  url: string;
  contracts: Contracts;
  account?: Hex;
  firstBlock?: number;
  pollInterval?: number;
  fetch?: typeof fetch;
}): Chain;
