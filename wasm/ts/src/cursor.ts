// How far the chain was read, kept in the store: for wallets that do not load all their channels at the start, since only
// the records of those would tell.

import { keccak256 } from "./core.js";
import { toHex } from "./encoding.js";
import { isObject } from "./rpc.js";
import type { Store } from "./store.js";
import type { Hex } from "./types.js";

/** How many blocks may be read again at the next start rather than written down. */
const STEP = 50;

export class Cursor {
  readonly #store: Store;
  readonly #key: Hex = toHex(keccak256(new TextEncoder().encode("millstream cursor")));
  #saved: number | undefined;
  #saving = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The block up to which the chain was read; `undefined` if it never was. */
  async load(): Promise<number | undefined> {
    const { block } = await this.#read();
    this.#saved = block;
    return block;
  }

  /** Notes that the chain was read up to `block`. Of several processes, one that is behind does no harm. */
  async save(block: number): Promise<void> {
    if (this.#saving || block < (this.#saved ?? -Infinity) + STEP) return;
    this.#saving = true;
    try {
      const { version } = await this.#read();
      const bytes = new TextEncoder().encode(JSON.stringify({ version: 1, block }));
      await this.#store.commit([{ key: this.#key, expectedVersion: version, bytes }]);
      this.#saved = block;
    } catch {
      // The next block is another occasion; what is read twice costs time only.
    } finally {
      this.#saving = false;
    }
  }

  async #read(): Promise<{ version: number; block: number | undefined }> {
    const [record] = await this.#store.read([this.#key]);
    const text = record?.bytes && new TextDecoder().decode(record.bytes);
    const cursor: unknown = text === undefined ? undefined : JSON.parse(text);
    const block = isObject(cursor) && typeof cursor["block"] === "number" ? cursor["block"] : undefined;
    return { version: record?.version ?? 0, block };
  }
}
