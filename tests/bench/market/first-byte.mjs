// How long a buyer waits for the first byte that it pays for through a hub, and for how many of its requests one after the other.

/** Of the seller's and the hub's terms: a development chain makes a block when there is a transaction. */
const CONFIRMATIONS = 1;

/** A buyer that has a ledger with a hub, and looks at its own requests. */
export class HubBuyer {
  #wallet;
  /** The longest chain of requests that are answered. */
  #depth = 0;
  /** When the first byte of a paid answer came, and at the end of how long a chain. */
  #first;

  /** @param {typeof import("millstream")} millstream */
  async open({ Wallet, rpcChain }, { chainUrl, contracts, account, hubUrl, deposit }) {
    this.#wallet = await Wallet.open({
      chain: rpcChain({ url: chainUrl, contracts, account }),
      policy: { minConfirmations: CONFIRMATIONS },
      fetch: (input, init) => this.#fetch(input, init),
    });
    await this.#wallet.openChannel({ seller: hubUrl, kind: "ledger", deposit });
  }

  /** Fetches what has not been asked for before, from a seller with whom there is no channel. */
  async fetch(url) {
    this.#depth = 0;
    this.#first = undefined;
    const start = performance.now();
    const response = await this.#wallet.fetch(url);
    const reader = response.body.getReader();
    const { value } = await reader.read();
    const chunkMs = performance.now() - start;
    await reader.cancel();
    if (!(value?.length > 0) || this.#first === undefined) throw new Error("nothing came that was paid for");
    const channels = this.#wallet.channels().filter(({ info }) => info.hubs);
    const open = channels.filter(({ status }) => status === "open");
    if (open.length !== 1) throw new Error(`${open.length} channels are open instead of one`);
    await open[0].close();
    return { firstByteMs: this.#first.at - start, chunkMs, roundTrips: this.#first.depth };
  }

  async #fetch(input, init) {
    const depth = this.#depth + 1;
    const response = await fetch(input, init);
    this.#depth = Math.max(this.#depth, depth);
    const isPaid = new Headers(init?.headers).has("payment") && response.ok;
    if (!isPaid || this.#first !== undefined) return response;
    const [body, copy] = response.body.tee();
    const reader = copy.getReader();
    await reader.read();
    this.#first ??= { at: performance.now(), depth };
    void reader.cancel();
    return new Response(body, response);
  }
}
