// What hubs say, as far as a wallet knows it. It is believed as far as that costs nothing: what is wrong with it ends in a
// refused opening.

import { sha256 } from "./content.js";
import { toHex } from "./encoding.js";
import { MillstreamError, checkHex, checkUrl, isMillstreamError } from "./errors.js";
import type { Offer } from "./offer.js";
import { fetchPeerTerms, type HubTerms, type PeerTerms } from "./peer-terms.js";
import { isObject } from "./rpc.js";
import type { Hex } from "./types.js";
import type { Wallet } from "./wallet.js";

/** How long a hub's terms are kept, in milliseconds: they cost a round trip. */
const TERMS_LIFETIME = 5 * 60_000;
/** How many hubs' terms are kept. */
const MAX_KEPT = 64;
/** The most hubs that a seller may name. */
export const MAX_NAMED = 8;

/** A hub that said its terms. */
export interface KnownHub extends PeerTerms {
  readonly hub: HubTerms;
}

/** A hub that has a ledger with a seller, as the seller says. */
export interface NamedHub {
  readonly address: Hex;
  /** Where it takes messages. */
  readonly url: string;
  readonly ledger: Hex;
}

export class HubBook {
  readonly #wallet: Wallet;
  readonly #kept = new Map<string, { readonly until: number; readonly terms: Promise<PeerTerms> }>();

  constructor(wallet: Wallet) {
    this.#wallet = wallet;
  }

  /** The terms of the hub at a URL; `undefined` if there is none, or if it does not say them. */
  async find(url: string | URL): Promise<KnownHub | undefined> {
    try {
      return await this.get(url);
    } catch (error) {
      if (isMillstreamError(error)) return undefined;
      throw error;
    }
  }

  /** @throws {MillstreamError} what `fetchPeerTerms` throws; `PEER_TERMS_MALFORMED` if it is no hub */
  async get(url: string | URL): Promise<KnownHub> {
    const { hub, ...terms } = await this.#terms(checkUrl(url, "via").origin);
    if (hub) return { ...terms, hub };
    throw new MillstreamError("PEER_TERMS_MALFORMED", `the wallet at ${terms.walletUrl} is no hub`);
  }

  /** What a hub said may not hold any more. */
  forget({ walletUrl }: KnownHub): void {
    this.#kept.delete(new URL(walletUrl).origin);
  }

  #terms(origin: string): Promise<PeerTerms> {
    const kept = this.#kept.get(origin);
    if (kept && kept.until > Date.now()) return kept.terms;
    // Others may wait for the same: it is not given up with the request of one of them.
    const terms = fetchPeerTerms(origin, this.#wallet);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(origin, { until: Date.now() + TERMS_LIFETIME, terms });
    terms.catch(() => this.#kept.delete(origin));
    return terms;
  }
}

const books = new WeakMap<Wallet, HubBook>();

/** The one book of a wallet. */
export function hubBookOf(wallet: Wallet): HubBook {
  let book = books.get(wallet);
  if (!book) books.set(wallet, (book = new HubBook(wallet)));
  return book;
}

/**
 * The hubs that a seller names beside its quote.
 *
 * @throws {MillstreamError} `OFFER_MALFORMED` if they are not those that it signed
 */
export async function namedHubs({ hubs, hubList }: Offer): Promise<NamedHub[]> {
  if (hubList === undefined) return [];
  const bytes = new TextEncoder().encode(hubList);
  if (toHex(await sha256(bytes)) !== hubs) throw malformed("they are not those of the signed quote");
  let list: unknown;
  try {
    list = JSON.parse(hubList);
  } catch (cause) {
    throw malformed("they are not JSON", cause);
  }
  if (!Array.isArray(list) || list.length > MAX_NAMED) throw malformed(`they are no list of at most ${MAX_NAMED}`);
  return list.map((hub: unknown) => {
    if (!isObject(hub)) throw malformed("one of them is no object");
    try {
      return {
        address: checkHex(hub["address"], "address", 20),
        url: checkUrl(hub["url"], "url").href,
        ledger: checkHex(hub["ledger"], "ledger", 32),
      };
    } catch (cause) {
      throw malformed(cause instanceof Error ? cause.message : "a field is missing", cause);
    }
  });
}

function malformed(what: string, cause?: unknown): MillstreamError {
  return new MillstreamError("OFFER_MALFORMED", `the seller's hubs cannot be used: ${what}`, {
    ...(cause !== undefined && { cause }),
  });
}
