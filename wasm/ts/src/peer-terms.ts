// What a wallet that can be called says about itself: a GET of the place that takes its messages. Nothing of it is signed:
// a lie costs whoever believes it a refused channel, since what counts is what both sign.

import { readBody } from "./content.js";
import { withDeadline } from "./deadline.js";
import { MillstreamError, aborted, checkHex, checkInteger, checkUrl } from "./errors.js";
import { clip, isObject } from "./rpc.js";
import type { ChannelKind, Hex } from "./types.js";
import type { Wallet } from "./wallet.js";

/** Where a wallet takes messages and says its terms. */
export const WALLET_PATH = "/.well-known/millstream";

/** The longest answer that is read, in bytes. */
const MAX_TERMS_BYTES = 64 * 1024;
/** The most links of a hub that are looked at. */
export const MAX_LINKS = 256;
/** How long an answer may take, in milliseconds. */
const ANSWER_TIMEOUT = 10_000;

/** A ledger of a hub with somebody it can call: another hub, or a seller. */
export interface HubLink {
  /** The channel key of the other side. */
  readonly peer: Hex;
  /** Where the other side takes messages. */
  readonly url: string;
  /** The id of the ledger. */
  readonly ledger: Hex;
  readonly asset: Hex;
  /** Roughly what can go from the hub to the other side, and back, in base units. */
  readonly send: bigint;
  readonly receive: bigint;
}

/** On which terms a hub stands between others, and who is behind it. */
export interface HubTerms {
  /** What each channel costs, in base units. */
  readonly fee: bigint;
  /** What each channel costs for its amount, in millionths, rounded up. */
  readonly feeRate: number;
  /** The largest channel, in base units; 0: as large as the ledgers allow. */
  readonly maxAmount: bigint;
  readonly links: readonly HubLink[];
}

/** What a wallet asks of channels with it. */
export interface PeerTerms {
  /** Its channel key. */
  readonly address: Hex;
  /** Where it is paid out. */
  readonly destination: Hex;
  /** Where it takes messages. */
  readonly walletUrl: string;
  /** The time to answer a challenge, in seconds. */
  readonly challengeDuration: number;
  /** How many blocks deep a deposit must be. */
  readonly confirmations: number;
  /** The kinds of channels that it takes. */
  readonly kinds: readonly ChannelKind[];
  /** The assets that it takes; none: any. */
  readonly assets: readonly Hex[];
  /** Missing if it is no hub. */
  readonly hub?: HubTerms | undefined;
}

/** What a hub asks for a channel over `amount` base units. */
export function feeFor({ fee, feeRate }: HubTerms, amount: bigint): bigint {
  return fee + (amount * BigInt(feeRate) + 999_999n) / 1_000_000n;
}

/**
 * Asks the wallet at a URL for its terms.
 *
 * @throws {MillstreamError} `PEER_UNREACHABLE`; `PEER_TERMS_MALFORMED`; `WRONG_CHAIN`; `ABORTED`, `INVALID_ARGUMENT`
 */
export async function fetchPeerTerms(
  url: string | URL,
  wallet: Wallet,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<PeerTerms> {
  const walletUrl = new URL(WALLET_PATH, checkUrl(url, "url")).href;
  const what = "asking for the terms of a wallet";
  try {
    const { status, bytes, received } = await withDeadline(signal, ANSWER_TIMEOUT, async (deadline) => {
      const response = await wallet.request(walletUrl, { signal: deadline, credentials: "omit", redirect: "error" });
      const body = await readBody(response.body, MAX_TERMS_BYTES, { signal: deadline });
      return { status: response.status, ...body };
    });
    if (status !== 200) throw unreachable(walletUrl, `status ${status}`);
    if (received > MAX_TERMS_BYTES) throw malformed(`they are longer than ${MAX_TERMS_BYTES} bytes`);
    return readPeerTerms(bytes, walletUrl, wallet);
  } catch (error) {
    if (signal?.aborted) throw aborted(signal, what);
    if (error instanceof MillstreamError && error.code !== "ABORTED") throw error;
    throw unreachable(walletUrl, "no answer", error);
  }
}

/** Reads the terms that the wallet at `walletUrl` answered with. Throws as {@link fetchPeerTerms}. */
function readPeerTerms(bytes: Uint8Array, walletUrl: string, wallet: Wallet): PeerTerms {
  let terms: unknown;
  try {
    terms = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed("they are not JSON", cause);
  }
  if (!isObject(terms) || terms["millstream"] !== 1) throw malformed("they are of no version that this wallet knows");
  const { contracts } = wallet.chain;
  for (const field of ["chainId", "adjudicator", "streamApp", "consensusApp"] as const)
    if (terms[field] !== contracts[field])
      throw new MillstreamError(
        "WRONG_CHAIN",
        `the wallet at ${walletUrl} is of another chain or other contracts: its ${field} is ${clip(String(terms[field]))}`,
      );
  const { kinds, assets, hub } = terms;
  try {
    return {
      address: checkHex(terms["address"], "address", 20),
      destination: checkHex(terms["destination"], "destination", 20),
      walletUrl,
      challengeDuration: checkInteger(terms["challengeDuration"], "challengeDuration"),
      confirmations: checkInteger(terms["confirmations"], "confirmations", 1),
      kinds: list(kinds, "kinds", 8).filter((kind) => kind === "stream" || kind === "ledger"),
      assets: list(assets, "assets", MAX_LINKS).map((asset) => checkHex(asset, "assets", 20)),
      ...(hub !== undefined && { hub: readHub(hub) }),
    };
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : "a field is missing", cause);
  }
}

function readHub(hub: unknown): HubTerms {
  if (!isObject(hub)) throw malformed("hub is no object");
  return {
    fee: amount(hub["fee"], "fee"),
    feeRate: checkInteger(hub["feeRate"], "feeRate", 0, 2 ** 32 - 1),
    maxAmount: amount(hub["maxAmount"], "maxAmount"),
    links: list(hub["links"], "links", MAX_LINKS).map(readLink),
  };
}

function readLink(link: unknown): HubLink {
  if (!isObject(link) || typeof link["url"] !== "string" || link["url"].length > 2_048)
    throw malformed("a link is none");
  return {
    peer: checkHex(link["peer"], "peer", 20),
    url: checkUrl(link["url"], "url").href,
    ledger: checkHex(link["ledger"], "ledger", 32),
    asset: checkHex(link["asset"], "asset", 20),
    send: amount(link["send"], "send"),
    receive: amount(link["receive"], "receive"),
  };
}

function list(value: unknown, field: string, most: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= most) return value;
  throw malformed(`${field} is no list of at most ${most}`);
}

function amount(value: unknown, field: string): bigint {
  if (typeof value === "string" && /^\d{1,39}$/.test(value)) return BigInt(value);
  throw malformed(`${field} is no amount`);
}

function unreachable(url: string, what: string, cause?: unknown): MillstreamError {
  return new MillstreamError("PEER_UNREACHABLE", `the wallet at ${url} does not say its terms: ${what}`, {
    ...(cause !== undefined && { cause }),
  });
}

function malformed(what: string, cause?: unknown): MillstreamError {
  return new MillstreamError("PEER_TERMS_MALFORMED", `the terms of a wallet cannot be used: ${what}`, {
    ...(cause !== undefined && { cause }),
  });
}
