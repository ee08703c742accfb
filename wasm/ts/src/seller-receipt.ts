// Where the answer to a paid request gets its receipt.

import { toBase64Url } from "./encoding.js";
import { isMillstreamError } from "./errors.js";
import type { PaymentReceived } from "./payments.js";
import type { Hex, Receipt } from "./types.js";

/** A chunk that was sold: what a receipt says. */
export interface Sold {
  readonly channelId: Hex;
  /** Of the quote. */
  readonly quoteHash: Hex;
  readonly index: number;
  /** How many chunks the content has. */
  readonly chunks: number;
  /** How many different ones of them were bought on the channel by now. */
  readonly bought: number;
  /** The payment that was shown for it. */
  readonly received: PaymentReceived;
}

/** Whoever signs receipts: the seller's wallet. */
export interface ReceiptSigner {
  signReceipt(receipt: Receipt): Uint8Array;
}

/** The header with a receipt, and what a request says there to ask for one. */
const HEADER = "payment-receipt";
const ASKED = "sign";

/**
 * The header that carries the receipt of a chunk.
 *
 * A signature costs a hundred times what taking a tick does, so one is made where a voucher was paid, with the chunk that
 * completes the content, and for whoever asks with `Payment-Receipt: sign`. A wallet whose key is elsewhere gives none.
 */
export function receiptHeader(
  signer: ReceiptSigner,
  request: Request,
  { channelId, quoteHash, index, chunks, bought, received }: Sold,
  issuedAt: number,
): Readonly<Record<string, string>> {
  const isVoucher = received.amount > 0n && received.ticks === 0;
  const isAsked = request.headers.get(HEADER)?.trim() === ASKED;
  if (!isVoucher && !isAsked && bought < chunks) return {};
  const { cumulativeAmount } = received;
  const receipt = { channelId, quote: quoteHash, chunk: index, chunks: bought, cumulativeAmount, issuedAt };
  try {
    return { [HEADER]: toBase64Url(signer.signReceipt(receipt)) };
  } catch (error) {
    if (isMillstreamError(error) && error.code === "KEY_ELSEWHERE") return {};
    throw error;
  }
}
