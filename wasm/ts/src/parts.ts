// What a wallet is made of, for its channels and for opening and closing them.

import type { Chain } from "./chain.js";
import type { Channel } from "./channel.js";
import type { Driver } from "./driver.js";
import { MillstreamError, aborted, type MillstreamErrorDetails } from "./errors.js";
import type { Payments } from "./payments.js";
import type { Sellers } from "./sellers.js";
import type { Transactions } from "./transactions.js";
import type { ChannelInfo, ChannelStatus, Hex } from "./types.js";
import type { Watcher } from "./watcher.js";

export interface Parts {
  readonly chain: Chain;
  readonly driver: Driver;
  readonly payments: Payments;
  readonly transactions: Transactions;
  readonly sellers: Sellers;
  readonly watcher: Watcher;
  /** The handle of a channel. */
  channelOf(id: Hex): Channel;
}

/** Whether a channel in this status is over: paid out, or given up before any deposit. */
export function isOver(status: ChannelStatus): boolean {
  return status === "closed" || status === "aborted";
}

/** What is known about a channel. @throws {MillstreamError} `UNKNOWN_CHANNEL`, e.g. while it is loaded anew */
export function channelInfo({ driver }: Parts, id: Hex): ChannelInfo {
  const info = driver.core.channel(id);
  if (info) return info;
  throw new MillstreamError("UNKNOWN_CHANNEL", `channel ${id} is not loaded`, { details: { channelId: id } });
}

/** What is known about a channel, whose record is read first if it is not in memory. @throws {MillstreamError} as above */
export async function loadedInfo(parts: Parts, id: Hex): Promise<ChannelInfo> {
  if (!parts.driver.core.channel(id)) await parts.driver.load(id);
  return channelInfo(parts, id);
}

/** The same error, with more about what it means here. */
export function extend(error: MillstreamError, text: string, details: MillstreamErrorDetails): MillstreamError {
  return new MillstreamError(error.code, `${error.message}; ${text}`, {
    cause: error,
    details: { ...error.details, ...details },
  });
}

/** A wait for something that signals announce. */
export interface Wait<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * Waits for signals.
 *
 * `listen` subscribes and returns what ends its subscriptions; `onAbort` says what the wait ends with when the caller's
 * signal or the end of the wallet ends it.
 */
export function waitForSignals<T>(
  parts: Parts,
  options: { signal?: AbortSignal | undefined; what: string; onAbort?: (error: MillstreamError) => MillstreamError },
  listen: (wait: Wait<T>) => (() => void)[],
): Promise<T> {
  const { signal, what, onAbort = (error) => error } = options;
  const { stopped } = parts.driver;
  return new Promise<T>((resolve, reject) => {
    const ends: (() => void)[] = [];
    const settle =
      <V>(how: (value: V) => void) =>
      (value: V) => {
        for (const end of ends.splice(0)) end();
        how(value);
      };
    const wait = { resolve: settle(resolve), reject: settle<unknown>(reject) };
    const onSignal = (source: AbortSignal, error: () => MillstreamError) => {
      const stop = () => wait.reject(onAbort(error()));
      if (source.aborted) return stop();
      source.addEventListener("abort", stop, { once: true });
      ends.push(() => source.removeEventListener("abort", stop));
    };
    ends.push(...listen(wait));
    onSignal(stopped, () => new MillstreamError("WALLET_STOPPED", `the wallet was stopped while ${what}`));
    if (signal) onSignal(signal, () => aborted(signal, what));
  });
}
