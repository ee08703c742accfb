// What the page is told by the server that it comes from: the chain, the contracts and the file for sale.

import { MillstreamError, type Contracts, type Hex } from "millstream";

/** The thing for sale. */
export interface Item {
  /** Path of its URL on this origin. */
  readonly path: string;
  readonly name: string;
  /** Where it comes from, in words. */
  readonly about: string;
  readonly contentType: string;
  /** In bytes. */
  readonly length: number;
  /** Of every chunk but the last, in bytes. */
  readonly chunkSize: number;
  /** Of one chunk, in wei. */
  readonly price: bigint;
}

export interface DemoConfig {
  readonly contracts: Contracts;
  /** JSON-RPC of the chain, for this page. */
  readonly rpcUrl: string;
  /** The same for a wallet outside of this page. */
  readonly walletRpcUrl: string;
  /** Accounts of the development chain: the buyer's, the seller's, one with ether to give away, and the hub's. */
  readonly accounts: { readonly buyer: Hex; readonly seller: Hex; readonly tap: Hex; readonly hub?: Hex };
  /** Where the hub is, if channels go through one. */
  readonly hub?: string;
  readonly item: Item;
  /** In seconds. */
  readonly challengeDuration: number;
  /** In blocks. */
  readonly confirmations: number;
}

/** How many chunks the item has. */
export const chunksOf = ({ length, chunkSize }: Item): number => Math.ceil(length / chunkSize);

/** The price of the whole item, in wei. */
export const totalOf = (item: Item): bigint => item.price * BigInt(chunksOf(item));

/** @throws {MillstreamError} DEMO_UNREACHABLE */
export async function loadConfig(): Promise<DemoConfig> {
  try {
    const response = await fetch("/config.json", { cache: "no-store" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const read = (await response.json()) as Omit<DemoConfig, "item"> & {
      item: Omit<Item, "price"> & { price: string };
    };
    return {
      ...read,
      rpcUrl: new URL(read.rpcUrl, location.href).href,
      item: { ...read.item, price: BigInt(read.item.price) },
    };
  } catch (cause) {
    throw new MillstreamError("DEMO_UNREACHABLE", "the server that this page comes from does not answer", { cause });
  }
}
