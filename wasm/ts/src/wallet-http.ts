// What everyone who serves a wallet over HTTP answers at its well-known path: messages are posted, terms are read.

import { isMillstreamError } from "./errors.js";
import type { HubTerms, PeerTerms } from "./peer-terms.js";
import {
  HttpError,
  answer,
  bodyTooLarge,
  collect,
  framesAnswer,
  methodNotAllowed,
  preflightAnswer,
} from "./seller-http.js";
import type { Wallet } from "./wallet.js";

/** Why something was not taken although nothing is wrong with it: the same can be sent again. */
export const TEMPORARY: ReadonlySet<string> = new Set([
  "CHANNEL_LOADING",
  "STORE_CONFLICT",
  "STORE_FAILED",
  "WALLET_STOPPED",
  "CORE_TRAPPED",
]);

const METHODS = "GET, POST, OPTIONS";
/** How long terms may be kept, in seconds. */
const TERMS_AGE = 10;

/** What a wallet says about itself; the rest its chain and keys say. */
export type SaidTerms = Omit<PeerTerms, "address" | "destination" | "walletUrl">;

/**
 * Answers a request at a wallet's path.
 *
 * @throws {HttpError} 400 with why a message was refused, 405, 413; what is {@link TEMPORARY}
 */
export async function answerWallet(wallet: Wallet, request: Request, terms: () => SaidTerms): Promise<Response> {
  if (request.method === "OPTIONS") return preflightAnswer(METHODS);
  if (request.method === "GET") return termsAnswer(wallet, terms());
  if (request.method !== "POST") throw methodNotAllowed(METHODS);
  // A stream can be iterated where there are servers; browsers, whose types these are, learn it only now.
  const body = request.body as unknown as AsyncIterable<Uint8Array> | null;
  const message = body ? await collect(body) : new Uint8Array(0);
  if (!message) throw bodyTooLarge();
  try {
    return framesAnswer(await wallet.receiveMessage(message, { signal: request.signal }));
  } catch (error) {
    if (!isMillstreamError(error)) throw error;
    const { reply = [] } = error.details;
    if (reply.length > 0) return framesAnswer(reply);
    if (TEMPORARY.has(error.code)) throw error;
    throw new HttpError(400, error.code, error.message);
  }
}

function termsAnswer(wallet: Wallet, { hub, ...terms }: SaidTerms): Response {
  const { address, destination } = wallet;
  const said = { millstream: 1, ...wallet.chain.contracts, address, destination, ...terms, hub: hub && hubSaid(hub) };
  return answer(200, JSON.stringify(said), {
    "content-type": "application/json",
    "cache-control": `max-age=${TERMS_AGE}`,
  });
}

function hubSaid({ fee, feeRate, maxAmount, links }: HubTerms): object {
  const said = links.map(({ send, receive, ...link }) => ({ ...link, send: String(send), receive: String(receive) }));
  return { fee: String(fee), feeRate, maxAmount: String(maxAmount), links: said };
}
