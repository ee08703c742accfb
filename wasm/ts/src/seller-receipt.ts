// Where the answer to a paid request gets its receipt.

import type { Received } from "./seller-ledger.js";
import type { Hex } from "./types.js";

/** A chunk that was sold: what a receipt says. */
export interface Sold {
  readonly channelId: Hex;
  /** Of the quote. */
  readonly quoteHash: Hex;
  readonly index: number;
  /** How many chunks the content has. */
  readonly chunks: number;
  /** The payment that was shown for it. */
  readonly received: Received;
}

/** The headers that carry the receipt of a chunk: none, as long as the core signs none. */
export function receiptHeader(_request: Request, _sold: Sold): Readonly<Record<string, string>> {
  return {};
}
