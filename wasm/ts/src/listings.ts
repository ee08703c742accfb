// All that a seller has for sale, by path.

import { MillstreamError } from "./errors.js";
import { decodeFolderPath } from "./folder.js";
import { MAX_FOLDER_NAMES, listingPath, type Listing } from "./listing.js";

/** What a request is about. */
export interface Found {
  readonly listing: Listing;
  /** Of a folder: the number of the file that the path names. */
  readonly file?: number;
}

export class Listings {
  readonly #listings = new Map<string, Listing>();

  get all(): Listing[] {
    return [...this.#listings.values()];
  }

  /**
   * Takes in what `read` resolves with, under a path where nothing is.
   *
   * @throws {MillstreamError} LISTING_EXISTS, INVALID_ARGUMENT; and what `read` throws
   */
  async add(path: string, read: () => Promise<Listing>): Promise<Listing> {
    const key = listingPath(path);
    const exists = () => {
      if (this.#listings.has(key))
        throw new MillstreamError("LISTING_EXISTS", `${key} is listed already: remove it first`);
    };
    exists();
    const listing = await read();
    exists();
    this.#listings.set(key, listing);
    return listing;
  }

  /** What was there, if there was something. */
  remove(path: string): Listing | undefined {
    const key = listingPath(path);
    const listing = this.#listings.get(key);
    this.#listings.delete(key);
    return listing;
  }

  /** What the path of a URL names: content, a folder, or a file in one; of folders in each other, in the innermost. */
  find(pathname: string): Found | undefined {
    const listing = this.#listings.get(pathname);
    if (listing) return { listing };
    let found: Found | undefined;
    for (let at = 0, names = 0; at >= 0 && names < MAX_FOLDER_NAMES; at = pathname.indexOf("/", at + 1), names++) {
      const around = this.#listings.get(pathname.slice(0, at + 1));
      const path = around?.folder && decodeFolderPath(pathname.slice(at + 1));
      const file = path === undefined ? undefined : around?.folder?.find(path);
      if (around && file !== undefined) found = { listing: around, file };
    }
    return found;
  }
}
