// The list of hashes, asked for together with the offer that says where it is: one round trip less before the first chunk.

/** A request for what the seller most probably has beside some content. */
export class EarlyManifest {
  readonly #url: string;
  #response: Promise<Response | undefined> | undefined;

  /** `ask` makes the request; it ends with the download. */
  constructor(content: string | URL, ask: (url: string) => Promise<Response>) {
    this.#url = `${String(content)}?manifest`;
    // A URL with a query of its own says nothing about where the list is.
    if (!/[?#]/.test(String(content))) this.#response = ask(this.#url).catch(() => undefined);
  }

  /** Its answer, once, if that is what is at `url`. What went wrong with it goes wrong again when it is asked for anew. */
  async take(url: string): Promise<Response | undefined> {
    const waiting = this.#response;
    this.#response = undefined;
    const response = await waiting;
    if (response?.status === 200 && url === this.#url) return response;
    await response?.body?.cancel().catch(() => {});
    return undefined;
  }
}
