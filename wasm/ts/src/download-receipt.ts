// The receipt in the answer to a paid request, checked.

import { readReceipt } from "./core.js";
import { fromBase64Url } from "./encoding.js";
import { isMillstreamError } from "./errors.js";
import type { Hex } from "./types.js";
import type { Wallet } from "./wallet.js";

/** The longest receipt that is looked at, in characters. */
const MAX_HEADER = 512;

/** What a receipt has to be of. */
export interface ReceiptOf {
  readonly wallet: Wallet;
  readonly seller: Hex;
  readonly channelId: Hex;
  readonly quote: Hex;
  readonly index: number;
}

/** The receipt that came with a chunk, as bytes to keep, if there is one that proves this very purchase. */
export function receiptIn(headers: Headers, { wallet, seller, ...sold }: ReceiptOf): Uint8Array | undefined {
  const text = headers.get("payment-receipt");
  if (text === null || text.length > MAX_HEADER) return undefined;
  const bytes = fromBase64Url(text);
  if (!bytes) return undefined;
  try {
    const { chainId, streamApp } = wallet.chain.contracts;
    const receipt = readReceipt(bytes, { chainId, streamApp, seller });
    const isOurs = receipt.channelId === sold.channelId && receipt.quote === sold.quote && receipt.chunk === sold.index;
    return isOurs ? bytes : undefined;
  } catch (error) {
    // The chunk is here all the same; a seller that signs nothing true has given no receipt.
    if (isMillstreamError(error) && error.code.startsWith("RECEIPT_")) return undefined;
    throw error;
  }
}
