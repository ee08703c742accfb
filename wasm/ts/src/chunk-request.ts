// One request for a chunk, and the bytes of its answer.

import { readBody } from "./content.js";
import { toBase64Url } from "./encoding.js";
import { MillstreamError } from "./errors.js";
import type { ChunkPlace } from "./goods.js";

/** Who waits for an answer. */
export interface AnswerListener {
  readonly signal: AbortSignal;
  /** Told how many bytes came, with every piece. */
  readonly onData: (received: number) => void;
}

/** The bytes of a chunk that was answered, as long as they have to be. */
export async function readChunk(
  response: Response,
  { index, place, total }: { index: number; place: ChunkPlace; /** Of the whole, in bytes. */ total: number },
  listener: AnswerListener,
): Promise<Uint8Array> {
  const answered = response.headers.get("content-range");
  const wanted = range(place);
  if (wanted && answered !== `bytes ${wanted}/${total}`) {
    await response.body?.cancel();
    throw strange(`answered another range than that of chunk ${index}: ${answered ?? "none"}`);
  }
  const { length } = place;
  const { bytes, received } = await readBody(response.body, length, listener);
  if (received === length) return bytes;
  throw new MillstreamError(
    "CONTENT_LENGTH",
    `chunk ${index} came with ${received < length ? "fewer" : "more"} than its ${length} bytes`,
    { details: { index, expected: length, actual: received } },
  );
}

/** Where to ask for a chunk, with which headers, and the status of the answer that has it. */
export function chunkRequest(
  place: ChunkPlace,
  payment: Uint8Array,
  signed: boolean,
): { url: string; headers: Record<string, string>; status: number } {
  const bytes = range(place);
  const status = bytes ? 206 : 200;
  const headers = { ...(bytes && { Range: `bytes=${bytes}` }), ...(signed && { "Payment-Receipt": "sign" }) };
  const proof = toBase64Url(payment);
  // Every file of another origin would take a preflight for a header.
  const isForeign =
    !bytes && !signed && globalThis.location && new URL(place.url).origin !== globalThis.location.origin;
  return isForeign
    ? { url: `${place.url}?payment=${proof}`, headers, status }
    : { url: place.url, headers: { ...headers, Payment: proof }, status };
}

/** First and last byte of a chunk, as headers have them; of a file in a folder there are none. */
function range({ offset, length }: ChunkPlace): string | undefined {
  return offset === undefined ? undefined : `${offset}-${offset + length - 1}`;
}

/** The error of an answer that makes no sense. */
export function strange(what: string): MillstreamError {
  return new MillstreamError("SELLER_ANSWER_MALFORMED", `the seller ${what}`);
}
