// What a seller asks: the 402 answer of a URL, read and checked. Source: docs/protocol.md, Over HTTP; x402 V2, PaymentRequired.

import { fromBase64Url } from "./encoding.js";
import { withDeadline } from "./deadline.js";
import { MillstreamError, aborted, checkHex, checkUrl } from "./errors.js";
import { clip, isObject } from "./rpc.js";
import type { Quote } from "./types.js";
import type { Wallet } from "./wallet.js";

/** What a seller asks for what is at a URL: its checked quote, and where to go. */
export interface Offer extends Quote {
  /** The signed quote as it came. */
  readonly bytes: Uint8Array;
  /** The hubs that lead to the seller, as it sent them: JSON whose SHA-256 the quote names in `hubs`. Missing if there are none. */
  readonly hubList?: string | undefined;
  /** The URL of the content; that of a folder, which ends in `/`, also if one of its files was asked for. */
  readonly url: string;
  /** Where the list of the chunks' hashes is. */
  readonly manifestUrl: string;
  /** Where messages to the seller's wallet go. */
  readonly walletUrl: string;
}

export interface OfferOptions {
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch | undefined;
}

/** The longest header that is read, in characters. */
const MAX_HEADER = 16 * 1024;
/** A quote that ends so soon is asked for anew before more is paid, in seconds. */
const RENEW_BEFORE = 60;
/** How long a seller may take for its terms, in milliseconds. */
const ANSWER_TIMEOUT = 30_000;

/**
 * Asks a URL for its terms.
 *
 * Nothing is believed that the seller's key did not sign: the fields beside the quote must agree with it. Messages and
 * manifest stay on the origin that answered.
 *
 * @throws {MillstreamError} `OFFER_MISSING` if the URL asks for no payment, or for none that this wallet can make;
 *   `OFFER_MALFORMED`; `WRONG_CHAIN` if it is to be paid on another chain or through other contracts; `QUOTE_...`;
 *   `SELLER_UNREACHABLE`, `ABORTED`, `INVALID_ARGUMENT`
 */
export async function fetchOffer(url: string | URL, wallet: Wallet, options: OfferOptions = {}): Promise<Offer> {
  const { signal, fetch = wallet.request } = options;
  const asked = checkUrl(url, "url");
  asked.hash = "";
  const first = await ask(asked, signal, fetch);
  // A free file of a folder says where the folder's terms are.
  const { response, from } = first.terms ? await ask(first.terms, signal, fetch) : first;
  const header = response.headers.get("payment-required");
  if (response.status !== 402 || header === null)
    throw new MillstreamError(
      "OFFER_MISSING",
      `${asked.href} asks for no payment (status ${response.status}): pass the URL of something that the seller sells`,
      { details: { status: response.status } },
    );
  return readOffer(header, from, wallet);
}

/** An answer, the URL that it came from, and where that says the terms are. */
interface Asked {
  readonly response: Response;
  readonly from: URL;
  readonly terms: URL | undefined;
}

async function ask(url: URL, signal: AbortSignal | undefined, fetch: typeof globalThis.fetch): Promise<Asked> {
  let response: Response;
  try {
    response = await withDeadline(signal, ANSWER_TIMEOUT, (deadline) =>
      fetch(url.href, { signal: deadline, credentials: "omit", cache: "no-store" }),
    );
  } catch (cause) {
    if (signal?.aborted) throw aborted(signal, "asking for the terms");
    throw new MillstreamError("SELLER_UNREACHABLE", `the seller at ${url.origin} does not answer`, { cause });
  }
  // Only the header is read; a body of a free file may be large.
  void response.body?.cancel().catch(() => {});
  if (response.status >= 500)
    throw new MillstreamError("SELLER_UNREACHABLE", `the seller answers with status ${response.status}`, {
      details: { status: response.status },
    });
  const from = checkUrl(response.url === "" ? url : response.url, "url");
  const [, target] = /^<([^<>]{1,2048})>; rel="payment"$/.exec(response.headers.get("link") ?? "") ?? [];
  const terms = target === undefined || response.status !== 200 ? undefined : resolve(target, from);
  return { response, from, terms: terms instanceof URL && terms.origin === from.origin ? terms : undefined };
}

/** Reads the terms in a `PAYMENT-REQUIRED` header that `url` answered with. Throws as {@link fetchOffer}. */
export function readOffer(header: string, url: URL, wallet: Wallet): Offer {
  const { chainId, adjudicator, streamApp } = wallet.chain.contracts;
  const terms = decode(header);
  const accepts = Array.isArray(terms["accepts"]) ? terms["accepts"].filter(isObject) : [];
  const streams = accepts.filter(({ scheme }) => scheme === "stream");
  if (streams.length === 0)
    throw new MillstreamError(
      "OFFER_MISSING",
      `${url.href} takes no payment by stream: another kind of wallet is needed`,
    );
  const accepted = streams.find(({ network }) => network === `eip155:${chainId}`);
  const extra = accepted?.["extra"];
  if (!accepted) throw wrongChain(url, `its network is ${clip(streams[0]?.["network"])}`, chainId);
  if (!isObject(extra)) throw malformed("extra is missing");
  const address = (field: string) => read(() => checkHex(extra[field], field, 20));
  if (address("adjudicator") !== adjudicator || address("streamApp") !== streamApp)
    throw wrongChain(url, "it is settled by other contracts", chainId);

  const bytes = typeof extra["quote"] === "string" ? fromBase64Url(extra["quote"]) : undefined;
  if (!bytes) throw malformed("extra.quote is not base64url");
  const quote = wallet.readQuote(bytes);
  const agrees =
    address("payee") === quote.payee &&
    read(() => checkHex(accepted["asset"], "asset", 20)) === quote.asset &&
    read(() => checkHex(accepted["payTo"], "payTo", 20)) === quote.payeeDestination &&
    accepted["amount"] === String(quote.price) &&
    extra["unit"] === quote.unit &&
    extra["units"] === quote.units &&
    extra["credit"] === String(quote.credit) &&
    extra["chunks"] === quote.chunks &&
    extra["length"] === quote.length &&
    (extra["hubs"] === undefined || typeof extra["hubs"] === "string");
  if (!agrees) throw malformed("what it says beside the signed quote is not what was signed");
  return {
    ...quote,
    bytes,
    ...(typeof extra["hubs"] === "string" && { hubList: extra["hubs"] }),
    url: quote.chunkSize === 0 ? folderOf(extra["folder"], url) : url.href,
    manifestUrl: sameOrigin(extra["manifest"], "manifest", url),
    walletUrl: sameOrigin(extra["wallet"], "wallet", url),
  };
}

/** Whether an offer is not to be paid any more: a new one is needed. */
export function endsSoon(offer: Offer): boolean {
  return offer.expiresAt - Date.now() / 1_000 < RENEW_BEFORE;
}

function decode(header: string): Record<string, unknown> {
  if (header.length > MAX_HEADER) throw malformed(`it is longer than ${MAX_HEADER} characters`);
  const bytes = fromBase64Url(header.replaceAll("+", "-").replaceAll("/", "_"));
  let terms: unknown;
  try {
    terms = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed("it is not base64 of JSON", cause);
  }
  if (!isObject(terms) || terms["x402Version"] !== 2) throw malformed("it is not of x402 version 2");
  return terms;
}

/** A place on the origin of `url`. */
function sameOrigin(value: unknown, field: string, url: URL): string {
  if (typeof value !== "string" || value.length > 2_048) throw malformed(`${field} is not a URL`);
  const place = read(() => checkUrl(resolve(value, url), field));
  if (place.origin !== url.origin) throw malformed(`${field} is on another origin`);
  return place.href;
}

/** The URL of the folder that what is at `url` lies in. */
function folderOf(value: unknown, url: URL): string {
  const folder = new URL(sameOrigin(value, "folder", url));
  const isAround = folder.pathname.endsWith("/") && url.pathname.startsWith(folder.pathname);
  if (!isAround || folder.search !== "" || folder.hash !== "") throw malformed("folder is not where this URL is");
  return folder.href;
}

function resolve(value: string, base: URL): unknown {
  try {
    return new URL(value, base);
  } catch {
    return undefined;
  }
}

/** A field of the offer, where what is wrong with it is the offer's fault. */
function read<T>(check: () => T): T {
  try {
    return check();
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : "a field is missing", cause);
  }
}

function malformed(what: string, cause?: unknown): MillstreamError {
  return new MillstreamError("OFFER_MALFORMED", `the seller's terms cannot be used: ${what}`, {
    ...(cause !== undefined && { cause }),
  });
}

function wrongChain(url: URL, what: string, chainId: number): MillstreamError {
  return new MillstreamError(
    "WRONG_CHAIN",
    `${url.href} cannot be paid from this wallet, which is on chain ${chainId}: ${what}`,
  );
}
