// Ending a channel: together with the other side, or alone. Source: docs/protocol.md, Closing and leaving.

import { now } from "./driver.js";
import { MillstreamError } from "./errors.js";
import { channelInfo, extend, loadedInfo, waitForSignals, type Parts, type Wait } from "./parts.js";
import { clip } from "./rpc.js";
import { checkCode } from "./transport.js";
import type { Hex, TransactionKind } from "./types.js";

/** How a channel ended, in base units. */
export interface CloseResult {
  /** The transaction of this wallet that paid out; missing if it was the other side's. */
  readonly transactionHash?: Hex;
  /** To the payee. */
  readonly paid: bigint;
  /** Back to the payer. */
  readonly refunded: bigint;
  /** On to the channel that goes on from this one, after a withdrawal. */
  readonly carried: bigint;
}

/** How far leaving alone is. */
export interface LeaveProgress {
  readonly step: "challenging" | "challenged" | "transferring" | "closed";
  /** When the challenge becomes final, in seconds of the chain's clock. */
  readonly finalizesAt?: number;
  /** While "challenging" and "transferring", as soon as it is sent. */
  readonly transactionHash?: Hex;
}

export interface CloseOptions {
  signal?: AbortSignal | undefined;
}

export interface LeaveOptions extends CloseOptions {
  onProgress?: ((progress: LeaveProgress) => void) | undefined;
}

/** A seller that does not answer this often in a row is reported; the wallet goes on asking. */
const MAX_ATTEMPTS = 5;
/** How many looks at the chain show whether a transaction reverted because the other side was faster. */
const GRACE_HEADS = 3;

/** Closes together with the other side, and waits until the chain paid out. */
export function closeChannel(parts: Parts, channelId: Hex, { signal }: CloseOptions): Promise<CloseResult> {
  const begin = () => parts.driver.runLoaded((core) => core.closeChannel(channelId, now()));
  return end(parts, channelId, signal, "closing the channel", begin);
}

/** Leaves alone: challenge, wait, pay out. */
export function leaveChannel(parts: Parts, channelId: Hex, options: LeaveOptions): Promise<CloseResult> {
  // What tells leaving from closing together: what the other side says no longer matters.
  const { signal, onProgress = () => {} } = options;
  const begin = () => parts.driver.runLoaded((core) => core.leaveChannel(channelId, now()));
  return end(parts, channelId, signal, "leaving the channel", begin, onProgress);
}

async function end(
  parts: Parts,
  channelId: Hex,
  signal: AbortSignal | undefined,
  what: string,
  begin: () => Promise<void>,
  onProgress?: (progress: LeaveProgress) => void,
): Promise<CloseResult> {
  const { driver, transactions, sellers, watcher } = parts;
  const { payout, hubs } = await loadedInfo(parts, channelId);
  if (payout) return payout;
  const isVirtual = hubs !== undefined;
  let waiting: Wait<CloseResult> | undefined;
  let hash: Hex | undefined;
  let reverted: { error: MillstreamError; heads: number } | undefined;
  const closed = waitForSignals<CloseResult>(parts, { signal, what }, (wait) => {
    waiting = wait;
    const ours = <E extends { channelId: Hex }>(listener: (event: E) => void) => {
      return (event: E) => {
        if (event.channelId === channelId) listener(event);
      };
    };
    const fail = (error: MillstreamError, text: string) => wait.reject(extend(error, text, { channelId }));
    return [
      driver.signals.on(
        "event",
        ours((event) => {
          if (event.type === "challenged") {
            onProgress?.({ step: "challenged", finalizesAt: event.finalizesAt });
          } else if (event.type === "statusChanged" && event.status === "closed" && isVirtual) {
            // Without the chain nobody says what was paid out: it is what everyone signed.
            const { closing, deposit, cumulativeAmount } = channelInfo(parts, channelId);
            const paid = closing?.claimed ?? cumulativeAmount;
            wait.resolve({ paid, refunded: deposit - paid, carried: 0n });
          } else if (event.type === "closed") {
            const { paid, refunded, carried } = event;
            onProgress?.({ step: "closed" });
            wait.resolve({ paid, refunded, carried, ...(hash !== undefined && { transactionHash: hash }) });
          } else if (event.type === "peerError" && !onProgress) {
            const peerCode = checkCode(event.code);
            const error = new MillstreamError(
              "SELLER_REFUSED",
              `the other side refuses: ${clip(event.text)} (${peerCode})`,
              {
                details: { peerCode },
              },
            );
            fail(error, "leave() gets the money back without it");
          }
        }),
      ),
      driver.signals.on(
        "storeFailed",
        ours(({ error }) => fail(error, "try again")),
      ),
      driver.signals.on(
        "signFailed",
        ours(({ error }) => wait.reject(error)),
      ),
      driver.signals.on(
        "submit",
        ours(({ kind }) => onProgress?.({ step: stepOf(kind) })),
      ),
      transactions.signals.on(
        "sent",
        ours(({ kind, hash: transactionHash }) => {
          onProgress?.({ step: stepOf(kind), transactionHash });
        }),
      ),
      transactions.signals.on(
        "mined",
        ours((mined) => {
          if (mined.kind === "conclude" || mined.kind === "transfer") hash = mined.hash;
        }),
      ),
      transactions.signals.on(
        "failed",
        ours(({ kind, error }) => {
          // Whoever pays out second reverts, and has lost nothing.
          if (error.code === "TRANSACTION_REVERTED" && kind !== "challenge") reverted = { error, heads: 0 };
          else fail(error, "call resume() on the channel to send it again");
        }),
      ),
      watcher.signals.on("head", () => {
        if (!reverted) return;
        reverted.heads += 1;
        const { confirmations } = channelInfo(parts, channelId);
        if (reverted.heads > confirmations + GRACE_HEADS)
          fail(reverted.error, "call resume() on the channel to send it again");
      }),
      sellers.signals.on(
        "failed",
        ours(({ error, attempts }) => {
          if (onProgress !== undefined) return;
          if (error.code !== "SELLER_UNREACHABLE" || attempts >= MAX_ATTEMPTS)
            fail(error, "closing goes on as soon as it answers; leave() gets the money back without it");
        }),
      ),
    ];
  });
  begin().catch((error: unknown) => waiting?.reject(error));
  return closed;
}

function stepOf(kind: TransactionKind): LeaveProgress["step"] {
  return kind === "challenge" ? "challenging" : "transferring";
}
