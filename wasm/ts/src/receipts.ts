// Receipts in a file: what an application keeps of its purchases, and what anybody can check of it, offline.

import { readReceipt } from "./core.js";
import { fromBase64Url, toBase64Url } from "./encoding.js";
import { MillstreamError, checkHex, checkInteger, isMillstreamError } from "./errors.js";
import { init } from "./init.js";
import { isObject } from "./rpc.js";
import type { Receipt, ReceiptIssuer } from "./types.js";

/** What says that a file has receipts. */
const FORMAT = "millstream-receipts";
const VERSION = 1;
/** More receipts than any purchase has chunks are not read. */
const MAX_RECEIPTS = 1_000_000;

/** A receipt of a file that is not what it should be. */
export interface InvalidReceipt {
  /** Its place in the file, from 0. */
  index: number;
  /** `RECEIPT_SIGNATURE`, `RECEIPT_MALFORMED`, `RECEIPT_TOO_LARGE`. */
  code: string;
  message: string;
}

/** What a file of receipts proves. */
export interface VerifiedReceipts {
  /** Who signed. That this is the seller you mean is for you to know: compare `seller` with the quote's payee. */
  issuer: ReceiptIssuer;
  valid: Receipt[];
  invalid: InvalidReceipt[];
}

/** Receipts as text to keep: JSON, about 250 bytes for each. `receipts` are bytes as the seller sent them. */
export function exportReceipts(issuer: ReceiptIssuer, receipts: Iterable<Uint8Array>): string {
  const { chainId, streamApp, seller } = issuer;
  const signed = [...receipts].map(toBase64Url);
  return `${JSON.stringify({ format: FORMAT, version: VERSION, chainId, streamApp, seller, receipts: signed }, null, 1)}\n`;
}

/**
 * Checks the signature of every receipt in a text of {@link exportReceipts}. It needs no network, chain or wallet.
 *
 * @throws {MillstreamError} `RECEIPTS_MALFORMED` if the text has no receipts; `WASM_UNAVAILABLE`
 */
export async function verifyReceipts(text: string): Promise<VerifiedReceipts> {
  await init();
  const { issuer, receipts } = parse(text);
  const verified: VerifiedReceipts = { issuer, valid: [], invalid: [] };
  for (const [index, receipt] of receipts.entries()) {
    try {
      verified.valid.push(readReceipt(fromBase64Url(String(receipt)) ?? new Uint8Array(0), issuer));
    } catch (error) {
      if (!isMillstreamError(error)) throw error;
      verified.invalid.push({ index, code: error.code, message: error.message });
    }
  }
  return verified;
}

function parse(text: string): { issuer: ReceiptIssuer; receipts: unknown[] } {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw malformed("it is not JSON", cause);
  }
  if (!isObject(file) || file["format"] !== FORMAT || file["version"] !== VERSION)
    throw malformed(`it does not say "format": "${FORMAT}", "version": ${VERSION}`);
  const { receipts } = file;
  if (!Array.isArray(receipts) || receipts.length > MAX_RECEIPTS)
    throw malformed(`receipts is no list of at most ${MAX_RECEIPTS}`);
  try {
    const issuer = {
      chainId: checkInteger(file["chainId"], "chainId", 1),
      streamApp: checkHex(file["streamApp"], "streamApp", 20),
      seller: checkHex(file["seller"], "seller", 20),
    };
    return { issuer, receipts };
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : "its issuer is missing", cause);
  }
}

function malformed(what: string, cause?: unknown): MillstreamError {
  return new MillstreamError("RECEIPTS_MALFORMED", `the file has no receipts that can be read: ${what}`, {
    ...(cause !== undefined && { cause }),
  });
}
