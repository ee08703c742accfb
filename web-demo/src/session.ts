// What the parts of the page share: the wallet, its channel, and what was bought with it.

import type { Channel, Hex, Wallet } from "millstream";

import { ChainView } from "./chain-view.js";
import { chunksOf, type DemoConfig } from "./config.js";
import type { HubSays, Step } from "./hub.js";

/**
 * Where a visitor is. "funded": the ledger with the hub is open, a channel through it is not. "stuck": the final state is proposed and the seller does not answer, so that nothing more can be
 * paid, and the channel can only be closed or left.
 */
export type Phase =
  "start" | "opening" | "funded" | "open" | "downloading" | "closing" | "stuck" | "leaving" | "closed";

/** One payment and what came back for it. */
export interface Payment {
  readonly serial: number;
  /** The chunk that it bought. */
  readonly chunk: number;
  /** Of the chunk. */
  readonly bytes: number;
  /** In wei. */
  readonly amount: bigint;
  /** All that was paid with it, in wei. */
  readonly cumulativeAmount: bigint;
  /** In milliseconds. */
  readonly signMs: number;
  /** From sending the request to the last byte of the chunk, in milliseconds. */
  readonly roundTripMs: number;
  /** Whether the chunk has the hash that the seller's quote was signed for. */
  readonly verified: boolean;
  /** When the chunk was there, in milliseconds since 1970. */
  readonly time: number;
  /** What travelled: the signed voucher. */
  readonly voucher: Uint8Array;
}

export interface Balances {
  /** In wei. */
  readonly buyer: bigint;
  /** In wei. */
  readonly seller: bigint;
  /** In wei; missing without a hub. */
  readonly hub?: bigint;
}

export class Session {
  readonly config: DemoConfig;
  readonly view: ChainView;
  /** Verified chunks by index. */
  readonly chunks: (Uint8Array | undefined)[];
  readonly payments: Payment[] = [];
  /** What each payment paid beyond the one before, by its voucher and ticks, in wei. */
  readonly amounts = new Map<string, bigint>();
  phase: Phase = "start";
  /** The chunk that is paid and on its way. */
  inFlight: number | undefined;
  wallet: Wallet | undefined;
  channel: Channel | undefined;
  /** The ledger with the hub, if there is one: the deposit is in there. */
  ledger: Channel | undefined;
  /** What opens by itself once its deposit has arrived, after it was given up waiting for. */
  late: Hex | undefined;
  /** What the hub said when the channel through it was opened. */
  hub: HubSays | undefined;
  /** How many messages went to the hub. */
  hubMessages = 0;
  /** The buyer's account on chain: it sends transactions and is paid out. */
  account: Hex | undefined;
  /** Marks how far closing is. */
  step: Step | undefined;
  balancesBefore: Balances | undefined;
  /** How long the download ran in all, in milliseconds. */
  downloadMs = 0;
  readonly #listeners = new Set<() => void>();
  #scheduled = false;

  constructor(config: DemoConfig) {
    this.config = config;
    this.view = new ChainView(config.rpcUrl);
    this.chunks = new Array<Uint8Array | undefined>(chunksOf(config.item)).fill(undefined);
  }

  /** How many chunks are there, verified. */
  get received(): number {
    return this.chunks.reduce((sum, chunk) => sum + (chunk ? 1 : 0), 0);
  }

  get complete(): boolean {
    return this.received === this.chunks.length;
  }

  /** What the deposit is in: the channel, or the ledger that it goes through. */
  get funded(): Channel | undefined {
    return this.config.hub === undefined ? this.channel : this.ledger;
  }

  /** Calls `listener` now and after every change, at most once per frame. */
  watch(listener: () => void): void {
    this.#listeners.add(listener);
    listener();
  }

  /** To be called after every change. */
  changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const render = () => {
      if (!this.#scheduled) return;
      this.#scheduled = false;
      for (const listener of this.#listeners) listener();
    };
    // A hidden tab draws no frames, but its download goes on.
    requestAnimationFrame(render);
    setTimeout(render, 100);
  }

  enter(phase: Phase): void {
    this.phase = phase;
    this.changed();
  }

  /** What the accounts of all sides hold now. */
  async balances(): Promise<Balances> {
    const { seller, hub } = this.config.accounts;
    const buyer = this.account ?? this.config.accounts.buyer;
    const [ours, theirs, between] = await Promise.all([
      this.view.balance(buyer),
      this.view.balance(seller),
      hub && this.view.balance(hub),
    ]);
    return { buyer: ours, seller: theirs, ...(between !== undefined && { hub: between }) };
  }
}
