// What a seller asks: the 402 answer of a URL, read and checked.

import type { Wallet } from "./wallet.js";
import type { Quote } from "./types.js";

/** What a seller asks for what is at a URL: its checked quote, and where to go. */
export interface Offer extends Quote {
  /** The signed quote as it came. */
  readonly bytes: Uint8Array;
  /** The URL of the content. */
  readonly url: string;
  /** Where the list of the chunks' hashes is. */
  readonly manifestUrl: string;
  /** Where messages to the seller's wallet go. */
  readonly walletUrl: string;
}

export declare function fetchOffer(
  url: string | URL,
  wallet: Wallet,
  options?: { signal?: AbortSignal | undefined; fetch?: typeof fetch | undefined },
): Promise<Offer>;
