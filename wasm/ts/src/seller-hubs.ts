// The hubs that a seller can be paid through: those that it knows and that have a ledger with it.

import { createHash } from "node:crypto";

import { toHex } from "./encoding.js";
import { isMillstreamError } from "./errors.js";
import { MAX_NAMED, type NamedHub } from "./hub-book.js";
import { fetchPeerTerms } from "./peer-terms.js";
import type { Hex } from "./types.js";
import type { Wallet } from "./wallet.js";

/** What a quote says of hubs. */
export interface HubList {
  /** As it is sent: JSON. Missing if there are none. */
  readonly text?: string | undefined;
  /** Its SHA-256; zero if there are none. */
  readonly hash: Hex;
}

/** A quote without hubs. */
export const NO_HUBS: HubList = { hash: `0x${"0".repeat(64)}` };

/** How long the hubs may keep a seller waiting at its start, in milliseconds. */
const PATIENCE = 2_000;

export class SellerHubs {
  readonly #wallet: Wallet;
  /** The URLs that said nothing yet. */
  readonly #unknown: Set<string>;
  /** Where each known hub takes messages, by its channel key. */
  readonly #urls = new Map<Hex, string>();
  /** By asset; until a ledger changes. */
  readonly #lists = new Map<Hex, HubList>();
  #asking: Promise<void> | undefined;

  constructor(wallet: Wallet, urls: readonly URL[]) {
    this.#wallet = wallet;
    this.#unknown = new Set(urls.map(({ href }) => href));
    wallet.on("status", ({ channelId, status }) => {
      if (wallet.channel(channelId)?.info.kind !== "ledger") return;
      this.#lists.clear();
      // A hub that opened a ledger is there by now.
      if (status === "open") void this.#ask();
    });
  }

  /** Asks the hubs who they are. One that does not answer is asked again when a ledger is opened. */
  async begin(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE)));
    await Promise.race([this.#ask(), patience]);
    clearTimeout(timer);
  }

  /** Those with an open ledger in an asset, in an order that a restart keeps. */
  list(asset: Hex): HubList {
    let list = this.#lists.get(asset);
    if (!list) this.#lists.set(asset, (list = this.#make(asset)));
    return list;
  }

  #make(asset: Hex): HubList {
    const named: NamedHub[] = [];
    for (const { info } of this.#urls.size > 0 ? this.#wallet.channels() : []) {
      const url = this.#urls.get(info.peer);
      if (url === undefined || info.kind !== "ledger" || info.status !== "open" || info.asset !== asset) continue;
      named.push({ address: info.peer, url, ledger: info.id });
    }
    if (named.length === 0) return NO_HUBS;
    named.sort((a, b) => (a.ledger < b.ledger ? -1 : 1));
    const text = JSON.stringify(named.slice(0, MAX_NAMED));
    return { text, hash: toHex(new Uint8Array(createHash("sha256").update(text).digest())) };
  }

  #ask(): Promise<void> {
    if (this.#unknown.size === 0) return Promise.resolve();
    return (this.#asking ??= this.#askAll().finally(() => (this.#asking = undefined)));
  }

  async #askAll(): Promise<void> {
    await Promise.all(
      [...this.#unknown].map(async (url) => {
        try {
          const { address, walletUrl, hub } = await fetchPeerTerms(url, this.#wallet);
          this.#unknown.delete(url);
          if (!hub) return;
          this.#urls.set(address, walletUrl);
          this.#wallet.meet(address, walletUrl);
        } catch (error) {
          if (!isMillstreamError(error)) throw error;
        }
      }),
    );
    this.#lists.clear();
  }
}
