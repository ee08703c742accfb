// The quotes that hold for a listing now.
//
// Time is cut into steps of half a quote's lifetime, and a quote ends with the step after the one that it was signed in.
// So two quotes hold at any time, the current one for at least half the lifetime, and a seller that was restarted signs
// the same ones: what was paid for before is still paid for. When the hubs that lead to the seller change, there is another
// quote; those before it, and the one without hubs, hold as long as they say.

import type { ListedQuote, Listing } from "./listing.js";
import { NO_HUBS, type HubList } from "./seller-hubs.js";
import type { Hex, Quote, QuoteTerms } from "./types.js";

/** Who signs quotes: a wallet. */
export interface QuoteSigner {
  signQuote(terms: QuoteTerms): Uint8Array;
  readQuote(bytes: Uint8Array): Quote;
}

/** What all quotes of a seller have in common. */
export interface QuoteBookOptions {
  /** In seconds, at least 2. */
  lifetime: number;
  /** What is asked of a channel, in seconds. */
  challengeDuration: number;
  /** How many blocks deep a deposit must be. */
  confirmations: number;
  /** Seconds since 1970. */
  now: () => number;
  /** The hubs that lead to the seller in an asset. */
  hubs: (asset: Hex) => HubList;
}

interface Page {
  readonly step: number;
  readonly current: ListedQuote;
  readonly previous: ListedQuote;
}

/** How many lists of hubs there are quotes with at once. */
const MAX_PAGES = 8;

/** Signs each quote once. */
export class QuoteBook {
  readonly #signer: QuoteSigner;
  readonly #options: QuoteBookOptions;
  /** By listing, then by the hash of the hubs. */
  readonly #pages = new Map<Listing, Map<Hex, Page>>();

  constructor(signer: QuoteSigner, options: QuoteBookOptions) {
    this.#signer = signer;
    this.#options = options;
  }

  /** The step that it is now; a quote that held in the one before still holds, an older one does not. */
  get step(): number {
    return Math.floor(this.#options.now() / this.#stepLength);
  }

  /** The newest quote. */
  current(listing: Listing): ListedQuote {
    return this.#page(listing, this.#options.hubs(listing.asset)).current;
  }

  /** The quote of this hash, if it still holds. */
  find(listing: Listing, hash: Hex): ListedQuote | undefined {
    return this.holding(listing).find((quote) => quote.hash === hash);
  }

  /** All that hold. */
  holding(listing: Listing): readonly ListedQuote[] {
    for (const hubs of [NO_HUBS, this.#options.hubs(listing.asset)]) this.#page(listing, hubs);
    const step = this.step;
    const quotes: ListedQuote[] = [];
    for (const page of this.#pages.get(listing)?.values() ?? []) {
      quotes.push(page.current);
      if (page.step === step) quotes.push(page.previous);
    }
    return quotes.filter(({ expiresAt }) => expiresAt > step * this.#stepLength);
  }

  /** Forgets a listing. */
  drop(listing: Listing): void {
    this.#pages.delete(listing);
  }

  get #stepLength(): number {
    return Math.max(1, Math.floor(this.#options.lifetime / 2));
  }

  #page(listing: Listing, hubs: HubList): Page {
    const step = this.step;
    const pages = this.#pages.get(listing) ?? new Map<Hex, Page>();
    this.#pages.set(listing, pages);
    const known = pages.get(hubs.hash);
    if (known?.step === step) return known;
    try {
      const previous = known?.step === step - 1 ? known.current : this.#sign(listing, hubs, step - 1);
      const page = { step, current: this.#sign(listing, hubs, step), previous };
      for (const [hash, old] of pages) if (old.step < step - 1 || pages.size >= MAX_PAGES) pages.delete(hash);
      pages.set(hubs.hash, page);
      return page;
    } catch (error) {
      // The step ended while this was signed.
      if (this.step !== step) return this.#page(listing, hubs);
      throw error;
    }
  }

  #sign(listing: Listing, { text, hash }: HubList, step: number): ListedQuote {
    const { contentRoot, length, chunkSize, chunks, unit, units, price, credit, asset } = listing;
    const { challengeDuration, confirmations } = this.#options;
    const expiresAt = (step + 2) * this.#stepLength;
    const content = { contentRoot, length, chunkSize, chunks, unit, units, price, credit, asset, hubs: hash };
    const bytes = this.#signer.signQuote({ ...content, challengeDuration, confirmations, expiresAt });
    return { hash: this.#signer.readQuote(bytes).hash, bytes, expiresAt, hubs: text };
  }
}
