// Paid requests that come before their channel is open. A payer of a channel through hubs may pay as soon as it has signed
// all that it has to sign, while the last messages are still on their way from hub to hub.

import type { ChannelInfo, Hex } from "./types.js";
import type { Wallet } from "./wallet.js";

/** How long a request waits, in milliseconds. */
const LONGEST_WAIT = 5_000;
/** How many requests wait at once, and of one channel; what is above is refused at once. */
const MAX_WAITING = 1_000;
const MAX_WAITING_OF_CHANNEL = 64;

/** Whether a channel through hubs is on its way to be open. */
export function isOpening({ hubs, status }: ChannelInfo): boolean {
  return hubs !== undefined && (status === "initialized" || status === "signed");
}

export class Openings {
  /** What ends the waits, by channel. */
  readonly #waiting = new Map<Hex, Set<() => void>>();
  #count = 0;

  constructor(wallet: Wallet) {
    wallet.on("status", ({ channelId, status }) => {
      if (status === "initialized" || status === "signed") return;
      for (const end of this.#waiting.get(channelId) ?? []) end();
    });
  }

  /** Resolves when the channel is open or will never be, after a while, or when nobody waits any more. */
  async wait(channelId: Hex, signal: AbortSignal): Promise<void> {
    const waiting = this.#waiting.get(channelId) ?? new Set();
    if (this.#count >= MAX_WAITING || waiting.size >= MAX_WAITING_OF_CHANNEL || signal.aborted) return;
    this.#waiting.set(channelId, waiting);
    this.#count += 1;
    await new Promise<void>((resolve) => {
      const end = () => {
        if (!waiting.delete(end)) return;
        this.#count -= 1;
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        if (waiting.size === 0) this.#waiting.delete(channelId);
        resolve();
      };
      const timer = setTimeout(end, LONGEST_WAIT);
      waiting.add(end);
      signal.addEventListener("abort", end, { once: true });
    });
  }
}
