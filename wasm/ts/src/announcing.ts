// What a wallet tells its owner, made out of the signals of its parts.

import { MillstreamError } from "./errors.js";
import type { Events } from "./events.js";
import type { Parts } from "./parts.js";
import { clip } from "./rpc.js";
import { checkCode } from "./transport.js";
import type { Hex } from "./types.js";
import type { WalletEvents } from "./wallet-events.js";

/** Makes the events of a wallet out of the signals of its parts. */
export function announce(parts: Parts, events: Events<WalletEvents>): void {
  const told = new Set<string>();
  /** A log is read again with every look at the chain until it is deep; it is told once. */
  const unreadable = ({ channelId, block, code }: { channelId: Hex; block: number; code: string }) => {
    const log = `${channelId}${block}${code}`;
    if (told.has(log)) return;
    told.add(log);
    const message = `what happened to channel ${channelId} in block ${block} cannot be read`;
    events.emit("error", { channelId, error: new MillstreamError(code, message, { details: { channelId } }) });
  };
  const { driver, transactions, sellers } = parts;
  driver.signals.on("event", (event) => {
    const { channelId } = event;
    switch (event.type) {
      case "statusChanged":
        return events.emit("status", { channelId, status: event.status });
      case "paymentReceived": {
        const { serial, ticks, amount, cumulativeAmount, memo } = event;
        return events.emit("paymentReceived", { channelId, serial, ticks, amount, cumulativeAmount, memo });
      }
      case "challenged":
        return events.emit("challenged", { channelId, finalizesAt: event.finalizesAt, ours: event.ours });
      case "closed": {
        const { paid, refunded, carried } = event;
        return events.emit("closed", { channelId, paid, refunded, carried });
      }
      case "updated":
        return events.emit("updated", { channelId, balances: event.balances });
      case "succeeded":
        return events.emit("succeeded", { channelId, successor: event.successor });
      case "spendRefused":
        return events.emit("spendRefused", { channelId, refusal: event.refusal });
      case "peerSilent":
      case "reorganised":
        return events.emit(event.type, { channelId });
      case "peerError":
        return events.emit("peerError", { channelId, code: checkCode(event.code), text: clip(event.text) });
      case "unreadableLog":
        return unreadable(event);
      case "updateRefused":
      case "signRefused":
      case "peerAlive":
      case "commitFailed":
        // Whoever waits for it is told, and why.
        return;
    }
  });
  driver.signals.on("error", (event) => events.emit("error", event));
  driver.signals.on("storeFailed", (event) => events.emit("error", event));
  driver.signals.on("signFailed", ({ channelId, error }) => events.emit("error", { channelId, error }));
  transactions.signals.on("mined", (event) => events.emit("transaction", event));
  transactions.signals.on("failed", ({ channelId, error }) => events.emit("error", { channelId, error }));
  sellers.signals.on("failed", ({ channelId, error }) => events.emit("error", { channelId, error }));
}
