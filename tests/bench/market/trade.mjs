// What a buyer does, in Node and in a page alike: it buys something chunk by chunk, or fetches the same bytes unpaid.

/** Of the seller's terms: a development chain makes a block when there is a transaction. */
const CONFIRMATIONS = 1;

/**
 * A wallet with an open channel.
 *
 * @param {typeof import("millstream")} millstream
 * @param {{ chainUrl: string, contracts: object, account: string, url: string, deposit: bigint }} terms `url` of anything
 *   that the seller sells
 * @param {import("millstream").Store} [store] the package's default without one
 */
export async function openBuyer({ Wallet, rpcChain }, { chainUrl, contracts, account, url, deposit }, store) {
  const wallet = await Wallet.open({
    chain: rpcChain({ url: chainUrl, contracts, account }),
    policy: { minConfirmations: CONFIRMATIONS },
    ...(store && { store }),
  });
  const channel = await wallet.openChannel({ seller: url, deposit });
  return { wallet, channel };
}

/** The hashes of a file's chunks, as the seller says. */
export async function hashesOf(url) {
  const response = await fetch(`${url}?manifest`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Buys everything. @returns milliseconds, and what came */
export async function buy({ wallet, channel }, url, options = {}) {
  const start = performance.now();
  let [chunks, bytes, paid] = [0, 0, 0n];
  for await (const chunk of wallet.download(url, { channel, ...options })) {
    chunks += 1;
    bytes += chunk.bytes.length;
    paid += chunk.amount;
  }
  return { ms: performance.now() - start, chunks, bytes, paid };
}

/**
 * Fetches the same ranges with as many requests at once, hashes every chunk and compares, and nothing else.
 *
 * @param {string} url
 * @param {{ length: number, chunkSize: number, parallel: number, hashes: Uint8Array }} file
 */
export async function fetchPlain(url, { length, chunkSize, parallel, hashes }) {
  const start = performance.now();
  const chunks = Math.ceil(length / chunkSize);
  let next = 0;
  let bytes = 0;
  const work = async () => {
    for (let index; (index = next++) < chunks;) {
      const from = index * chunkSize;
      const to = Math.min(from + chunkSize, length) - 1;
      const response = await fetch(url, { headers: { Range: `bytes=${from}-${to}` }, cache: "no-store" });
      const chunk = await response.arrayBuffer();
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", chunk));
      if (response.status !== 206 || hash.some((byte, at) => byte !== hashes[32 * index + at]))
        throw new Error(`${url}: chunk ${index} is not what it should be (status ${response.status})`);
      bytes += chunk.byteLength;
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return { ms: performance.now() - start, chunks, bytes };
}
