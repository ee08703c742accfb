// What every way of buying shares: what an answer of 402 offers, and whose purchase it becomes.

import { chooseChannel, type ChoiceOptions } from "./channel-choice.js";
import type { PaidRequests } from "./download-requests.js";
import type { Purchase } from "./download-purchases.js";
import { isMillstreamError } from "./errors.js";
import type { Goods } from "./goods.js";
import { readOffer, type Offer } from "./offer.js";
import { purchasesOf } from "./purchases.js";
import type { Wallet } from "./wallet.js";

/** The answers that ask for another kind of wallet. */
const NOT_OURS = new Set(["OFFER_MISSING", "WRONG_CHAIN"]);

/**
 * The offer in an answer, if it asks this wallet for payment; its body is left alone.
 *
 * @param url where it was asked for, if the answer does not say where it came from
 * @throws {MillstreamError} OFFER_MALFORMED, QUOTE_...
 */
export function offerIn(response: Response, url: string, wallet: Wallet): Offer | undefined {
  const header = response.headers.get("payment-required");
  if (response.status !== 402 || header === null) return undefined;
  const from = new URL(response.url === "" ? url : response.url);
  from.hash = "";
  try {
    return readOffer(header, from, wallet);
  } catch (error) {
    if (isMillstreamError(error) && NOT_OURS.has(error.code)) return undefined;
    throw error;
  }
}

/** Whether the seller may sell something else by now: its terms have to be asked for again. */
export function isOutdated(error: unknown): boolean {
  return isMillstreamError(error) && error.code === "SELLER_REFUSED";
}

/** The purchase of some goods, with all that was bought before. */
export async function purchase(
  wallet: Wallet,
  goods: Goods,
  requests: PaidRequests,
  options: ChoiceOptions & { readonly signal: AbortSignal },
): Promise<Purchase> {
  const channel = await chooseChannel(wallet, goods.offer, options, options.signal);
  const current = purchasesOf(wallet).of(channel, goods);
  await requests.learn(current);
  return current;
}
