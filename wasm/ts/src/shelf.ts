// What a wallet knows to be for sale: the terms and lists of hashes that it read, as long as they hold.

import { Goods } from "./goods.js";
import { endsSoon, type Offer } from "./offer.js";
import type { Wallet } from "./wallet.js";

/** How many goods are remembered; the list of a large folder may have two megabytes. */
const MAX_GOODS = 32;

/** Something for sale, and which chunk of it a URL names, if it is a folder. */
export interface Found {
  readonly goods: Goods;
  readonly index: number | undefined;
}

/** The goods of one wallet. */
export class Shelf {
  readonly #goods = new Map<string, Goods>();
  readonly #loading = new Map<string, Promise<Goods>>();

  /** What is sold at a URL, if it is known and its terms still hold. */
  find(url: string): Found | undefined {
    const goods = this.#goods.get(withoutHash(url));
    if (goods && !goods.folder && !endsSoon(goods.offer)) return { goods, index: undefined };
    for (const folder of this.#goods.values()) {
      const index = endsSoon(folder.offer) ? undefined : folder.find(url);
      if (index !== undefined) return { goods: folder, index };
    }
    return undefined;
  }

  /** The goods of an offer; `load` is asked for what is not known, once at a time. */
  async take(offer: Offer, load: (offer: Offer) => Promise<Goods>): Promise<Goods> {
    const known = this.#goods.get(offer.url);
    if (known?.offer.hash === offer.hash) return known;
    // The same content on a new quote has the same list.
    if (known?.offer.contentRoot === offer.contentRoot && known.offer.chunkSize === offer.chunkSize)
      return this.#put(new Goods(offer, known.manifest));
    const key = `${offer.hash}${offer.url}`;
    let loading = this.#loading.get(key);
    if (!loading) {
      loading = load(offer)
        .then((goods) => this.#put(goods))
        .finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** Forgets goods that turned out to be something else. */
  drop({ offer }: Goods): void {
    this.#goods.delete(offer.url);
  }

  #put(goods: Goods): Goods {
    const { url } = goods.offer;
    this.#goods.delete(url);
    this.#goods.set(url, goods);
    const [oldest] = this.#goods.keys();
    if (this.#goods.size > MAX_GOODS && oldest !== undefined) this.#goods.delete(oldest);
    return goods;
  }
}

const shelves = new WeakMap<Wallet, Shelf>();

/** The goods that a wallet knows. */
export function shelfOf(wallet: Wallet): Shelf {
  let shelf = shelves.get(wallet);
  if (!shelf) shelves.set(wallet, (shelf = new Shelf()));
  return shelf;
}

function withoutHash(url: string): string {
  const [place = ""] = url.split("#", 1);
  return place;
}
