// What a merchant asks of its channels: how much each earned, and to have that paid out.

import type { CloseResult, LeaveProgress } from "./channel.js";
import { MillstreamError, checkHex, isMillstreamError } from "./errors.js";
import type { ChunkLedger } from "./seller-ledger.js";
import type { Store } from "./store.js";
import { NATIVE_ASSET, type ChannelKind, type ChannelStatus, type Hex } from "./types.js";
import type { Wallet } from "./wallet.js";

/** One buyer's channel, as its seller sees it. Amounts in base units of `asset`. */
export interface SellerAccount {
  readonly channelId: Hex;
  /** A `"ledger"` is one with a hub, into which channels through it are paid out when they close. */
  readonly kind: ChannelKind;
  /** The buyer's channel key; of a ledger the hub's. */
  readonly buyer: Hex;
  readonly asset: Hex;
  readonly status: ChannelStatus;
  /** All that was paid on the channel: what the chain pays out to the seller, whatever the buyer says. */
  readonly earned: bigint;
  /** What of it bought nothing yet, of a ledger nothing; below zero if the buyer was served ahead of payment. */
  readonly unspent: bigint;
  /** What the chain holds for the channel, as far as it is confirmed. */
  readonly held: bigint;
  /** What the chain paid out to the seller, once it did. */
  readonly paidOut: bigint | undefined;
}

/** Which channels are claimed. */
export interface ClaimFilter {
  /** Those that earned more, in base units. */
  above: bigint;
  /** Default: the native one. */
  asset?: Hex | undefined;
}

export interface ClaimOptions {
  /**
   * Without the buyer: the best payment is put on the chain, which pays out once the time to answer it is over. Two
   * transactions instead of one. Default: the buyer is asked to close, with its next message.
   */
  alone?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** How far leaving alone is. */
  onProgress?: ((progress: LeaveProgress & { readonly channelId: Hex }) => void) | undefined;
}

/** What came of claiming one of several channels: one of both. */
export interface ClaimOutcome {
  readonly channelId: Hex;
  readonly result?: CloseResult;
  readonly error?: MillstreamError;
}

const CLAIMABLE: ReadonlySet<ChannelStatus> = new Set(["open", "disconnected"]);

export class SellerAccounts {
  readonly #wallet: Wallet;
  readonly #store: Store;
  readonly #ledger: ChunkLedger;

  constructor(wallet: Wallet, store: Store, ledger: ChunkLedger) {
    this.#wallet = wallet;
    this.#store = store;
    this.#ledger = ledger;
  }

  /** Every channel in the store, whether it is in memory or not. */
  async all(): Promise<SellerAccount[]> {
    const accounts: SellerAccount[] = [];
    for (const { key, bytes } of await this.#stored()) {
      if (!isChannel(bytes)) continue;
      const account = await this.#read(key);
      if (account) accounts.push(account);
    }
    return accounts;
  }

  /** @throws {MillstreamError} UNKNOWN_CHANNEL, INVALID_HEX; what `Channel.close` and `Channel.leave` throw */
  async claim(id: Hex, { alone = false, signal, onProgress }: ClaimOptions): Promise<CloseResult> {
    const channelId = checkHex(id, "channelId", 32);
    const channel = await this.#wallet.loadChannel(channelId);
    if (!channel)
      throw new MillstreamError("UNKNOWN_CHANNEL", `this seller has no channel ${channelId}`, {
        details: { channelId },
      });
    if (!alone) return channel.close({ signal });
    return channel.leave({ signal, onProgress: (progress) => onProgress?.({ ...progress, channelId }) });
  }

  /** Claims all that earned enough, at once: one that fails does not stop the others. */
  async claimAll({ above, asset = NATIVE_ASSET }: ClaimFilter, options: ClaimOptions): Promise<ClaimOutcome[]> {
    if (typeof above !== "bigint" || above < 0n)
      throw new MillstreamError("INVALID_ARGUMENT", "above must be a bigint of at least zero, in base units", {
        details: { field: "above" },
      });
    const wanted = checkHex(asset, "asset", 20);
    const accounts = (await this.all()).filter(({ asset, earned }) => asset === wanted && earned > above);
    // One that was asked to close and does not can still be left.
    const chosen = accounts.filter(({ status }) => CLAIMABLE.has(status) || (options.alone && status === "closing"));
    return Promise.all(
      chosen.map(async ({ channelId }): Promise<ClaimOutcome> => {
        try {
          return { channelId, result: await this.claim(channelId, options) };
        } catch (error) {
          if (isMillstreamError(error)) return { channelId, error };
          throw error;
        }
      }),
    );
  }

  async #read(channelId: Hex): Promise<SellerAccount | undefined> {
    const info = (await this.#wallet.loadChannel(channelId))?.info;
    if (!info) return undefined;
    const { kind, peer: buyer, asset, status, cumulativeAmount, holdings: held, payout } = info;
    const unspent = kind === "ledger" ? 0n : await this.#ledger.unspent(channelId, { cumulativeAmount });
    return { channelId, kind, buyer, asset, status, earned: cumulativeAmount, unspent, held, paidOut: payout?.paid };
  }

  async #stored(): Promise<Awaited<ReturnType<Store["load"]>>> {
    try {
      return await this.#store.load();
    } catch (cause) {
      throw new MillstreamError("STORE_FAILED", "the store cannot be read", { cause });
    }
  }
}

/** Whether a record is one of a channel: a CBOR array. Whatever else a seller keeps is JSON. */
function isChannel(bytes: Uint8Array | undefined): boolean {
  return bytes?.[0] !== undefined && bytes[0] >> 5 === 4;
}
