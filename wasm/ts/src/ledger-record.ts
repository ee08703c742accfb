// The record of a channel in the chunk ledger: it lies in the seller's store beside those of the core, under a key that no
// channel has.

import { areBounds, ChunkRanges } from "./chunk-ranges.js";
import { keccak256 } from "./core.js";
import { toHex } from "./encoding.js";
import { MillstreamError } from "./errors.js";
import { isObject } from "./rpc.js";
import type { Hex, StoredRecord } from "./types.js";

/** What was bought on one quote. */
export interface LedgerQuote {
  /** Until when it holds, in seconds since 1970: what was bought is served that long. */
  readonly expiresAt: number;
  readonly bought: ChunkRanges;
}

/** What was spent on one channel. */
export interface LedgerRecord {
  /** On chunks, since the channel was opened, in base units. */
  spent: bigint;
  /** The most that was served ahead of payment under any quote, in base units: so much may be spent and not received. */
  credit: bigint;
  /** By the hash of the quote. */
  readonly quotes: Map<Hex, LedgerQuote>;
}

/** What every such record begins with: no record of the core, which is a CBOR array, does, and no note of a channel. */
const HEAD = '{"ledger":1,';
const HEAD_BYTES = new TextEncoder().encode(HEAD);

/** Where the record of a channel is. */
export function ledgerKey(channelId: Hex): Hex {
  return toHex(keccak256(new TextEncoder().encode(`millstream ledger ${channelId}`)));
}

/** Whether a record of a store is one of a chunk ledger. */
export function isLedgerRecord({ bytes }: StoredRecord): boolean {
  return bytes !== undefined && HEAD_BYTES.every((byte, at) => byte === bytes[at]);
}

export function encodeLedger(channelId: Hex, { spent, credit, quotes }: LedgerRecord): Uint8Array {
  const entries = [...quotes].map(([hash, { expiresAt, bought }]) => ({ hash, expiresAt, bought: bought.bounds }));
  const body = JSON.stringify({ channelId, spent: String(spent), credit: String(credit), quotes: entries });
  return new TextEncoder().encode(HEAD + body.slice(1));
}

/** @throws {MillstreamError} RECORD_DAMAGED */
export function decodeLedger(channelId: Hex, bytes: Uint8Array): LedgerRecord {
  const record = parse(bytes);
  if (!isObject(record) || record["ledger"] !== 1 || record["channelId"] !== channelId) throw damaged(channelId);
  const { spent, credit, quotes } = record;
  if (!isAmount(spent) || !isAmount(credit) || !Array.isArray(quotes)) throw damaged(channelId);
  const entries = quotes.map((quote: unknown) => readQuote(channelId, quote));
  return { spent: BigInt(spent), credit: BigInt(credit), quotes: new Map(entries) };
}

function isAmount(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,39}$/.test(value);
}

function readQuote(channelId: Hex, quote: unknown): [Hex, LedgerQuote] {
  if (!isObject(quote)) throw damaged(channelId);
  const { hash, expiresAt, bought } = quote;
  if (typeof hash !== "string" || typeof expiresAt !== "number" || !areBounds(bought)) throw damaged(channelId);
  return [hash as Hex, { expiresAt, bought: new ChunkRanges(bought) }];
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function damaged(channelId: Hex): MillstreamError {
  return new MillstreamError(
    "RECORD_DAMAGED",
    `the chunk ledger's record of channel ${channelId} is damaged: restore it from a backup`,
    { details: { channelId } },
  );
}
