// What is sold under a URL, with its checked list of hashes: what each chunk costs, where it is, whether it came right.

import { Manifest, chunkPrice, chunkSpan } from "./content.js";
import { MillstreamError } from "./errors.js";
import { FolderManifest, folderFileUrl, folderPathOf } from "./folder.js";
import type { Offer } from "./offer.js";

/** Where a chunk is asked for. */
export interface ChunkPlace {
  readonly url: string;
  /** Of its first byte in the content; a file of a folder is asked for whole. */
  readonly offset: number | undefined;
  /** In bytes. */
  readonly length: number;
}

/** A file or a folder for sale. */
export class Goods {
  readonly offer: Offer;
  readonly manifest: Manifest | FolderManifest;
  #dearest: bigint | undefined;

  constructor(offer: Offer, manifest: Manifest | FolderManifest) {
    this.offer = offer;
    this.manifest = manifest;
  }

  /** Its files, if it is a folder. */
  get folder(): FolderManifest | undefined {
    return this.manifest instanceof FolderManifest ? this.manifest : undefined;
  }

  /** What the dearest chunk costs, in base units. */
  get dearest(): bigint {
    // Of a file, no chunk costs more than the first one.
    const { folder, offer } = this;
    return (this.#dearest ??= folder
      ? offer.price * BigInt(folder.entries.reduce((most, { units }) => Math.max(most, units), 0))
      : this.cost(0));
  }

  /** What chunk `index` costs, in base units; 0 if it is free. */
  cost(index: number): bigint {
    return chunkPrice(this.offer, index, this.folder);
  }

  place(index: number): ChunkPlace {
    const { folder, offer } = this;
    if (!folder) return { url: offer.url, ...chunkSpan(offer, index) };
    const { path = "", length = 0 } = folder.entries[index] ?? {};
    return { url: folderFileUrl(offer.url, path), offset: undefined, length };
  }

  /** Which chunk a URL names; `undefined` if it is no file of this folder. */
  find(url: string | URL): number | undefined {
    const path = this.folder && folderPathOf(this.offer.url, url);
    return path === undefined ? undefined : this.folder?.find(path);
  }

  /** @throws {MillstreamError} CONTENT_CHUNK_MISMATCH if `bytes` are not chunk `index` */
  check(index: number, bytes: Uint8Array): Promise<void> {
    return this.manifest.check(index, bytes);
  }

  /** The same on a new quote, if it is the same at the same price. @throws {MillstreamError} QUOTE_CHANGED */
  renewed(offer: Offer): Goods {
    const fields = ["contentRoot", "length", "chunkSize", "unit", "units", "price", "asset", "payee"] as const;
    const changed = fields.filter((field) => this.offer[field] !== offer[field]);
    if (changed.length === 0) return new Goods(offer, this.manifest);
    throw new MillstreamError(
      "QUOTE_CHANGED",
      `the seller's new quote differs in ${changed.join(", ")}: start the download anew to accept it`,
    );
  }
}
