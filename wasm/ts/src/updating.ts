// What the owner wants of a channel that goes on: a top up, a new base, money taken out, a state on the chain, a sign of
// life. Source: docs/protocol.md, Updates and Withdrawing.

import type { Core } from "./core.js";
import { now } from "./driver.js";
import { MillstreamError } from "./errors.js";
import { extend, loadedInfo, waitForSignals, type Parts, type Wait } from "./parts.js";
import { clip } from "./rpc.js";
import { checkCode } from "./transport.js";
import type { ChannelInfo, ChannelStatus, CoreEvent, Hex } from "./types.js";

export interface UpdateOptions {
  signal?: AbortSignal | undefined;
}

/** A seller that does not answer this often in a row is reported; the wallet goes on asking. */
const MAX_ATTEMPTS = 5;

/** Something to begin, and what ends the wait for it: whatever one of the functions returns. */
interface Wish<T> {
  /** Completes "... was aborted". */
  readonly what: string;
  readonly begin: (core: Core) => void;
  /** The statuses in which it can still come true. */
  readonly during: readonly ChannelStatus[];
  readonly onEvent?: (event: CoreEvent) => T | undefined;
  readonly onHead?: (info: ChannelInfo) => T | undefined;
}

async function fulfil<T extends NonNullable<unknown>>(
  parts: Parts,
  channelId: Hex,
  { signal }: UpdateOptions,
  wish: Wish<T>,
): Promise<T> {
  const { driver, transactions, sellers, watcher } = parts;
  await loadedInfo(parts, channelId);
  let waiting: Wait<T> | undefined;
  const fulfilled = waitForSignals<T>(parts, { signal, what: wish.what }, (wait) => {
    waiting = wait;
    const ours = <E extends { channelId: Hex }>(listener: (event: E) => void) => {
      return (event: E) => {
        // A withdrawal is agreed on in messages about the successor.
        const successor = driver.core.channel(channelId)?.successor;
        if (event.channelId === channelId || event.channelId === successor) listener(event);
      };
    };
    const settle = (value: T | undefined) => {
      if (value !== undefined) wait.resolve(value);
    };
    const fail = (error: MillstreamError, text: string) => wait.reject(extend(error, text, { channelId }));
    const refused = (code: string, text: string) => {
      const peerCode = checkCode(code);
      const message = `the other side refuses: ${clip(text)} (${peerCode})`;
      wait.reject(new MillstreamError("SELLER_REFUSED", message, { details: { channelId, peerCode } }));
    };
    const onEvent = (event: CoreEvent) => {
      settle(wish.onEvent?.(event));
      if (event.type === "updateRefused") refused(event.code, "it does not sign the new split");
      if (event.type === "peerError") refused(event.code, event.text);
      if (event.type === "closed" && event.carried === 0n)
        fail(new MillstreamError("CHANNEL_WRONG_STATUS", "the channel was paid out"), "nothing goes on");
      if (event.type === "statusChanged" && event.channelId === channelId && !wish.during.includes(event.status))
        fail(new MillstreamError("CHANNEL_WRONG_STATUS", `the channel is ${event.status}`), "it cannot come true now");
    };
    return [
      driver.signals.on("event", ours(onEvent)),
      driver.signals.on(
        "storeFailed",
        ours(({ error }) => fail(error, "try again")),
      ),
      driver.signals.on(
        "signFailed",
        ours(({ error }) => wait.reject(error)),
      ),
      transactions.signals.on(
        "failed",
        ours(({ error }) => fail(error, "call resume() on the channel to send it again")),
      ),
      sellers.signals.on(
        "failed",
        ours(({ error, attempts }) => {
          if (error.code !== "SELLER_UNREACHABLE" || attempts >= MAX_ATTEMPTS)
            fail(error, "what was begun goes on as soon as the seller answers");
        }),
      ),
      watcher.signals.on("head", () => {
        const info = driver.core.channel(channelId);
        if (info) settle(wish.onHead?.(info));
      }),
    ];
  });
  driver.runLoaded(wish.begin).catch((error: unknown) => waiting?.reject(error));
  return fulfilled;
}

/** Payer: raises its part, and waits until both signed that and the deposit is confirmed. */
export async function topUp(parts: Parts, channelId: Hex, amount: bigint, options: UpdateOptions): Promise<void> {
  let agreed: bigint | undefined;
  await fulfil(parts, channelId, options, {
    what: "topping the channel up",
    begin: (core) => core.topUp(channelId, amount, now()),
    during: ["open"],
    onEvent(event) {
      if (event.type === "updated") agreed = event.balances.payer + event.balances.payee;
      return undefined;
    },
    onHead: ({ holdings }) => (agreed !== undefined && holdings >= agreed ? true : undefined),
  });
}

/** Waits until both signed a new base. */
async function rebase(
  parts: Parts,
  channelId: Hex,
  options: UpdateOptions,
  what: string,
  begin: (core: Core) => void,
): Promise<void> {
  const onEvent = ({ type }: CoreEvent) => (type === "updated" ? true : undefined);
  await fulfil(parts, channelId, options, { what, begin, during: ["open"], onEvent });
}

/** Makes what was paid part of a new base. */
export function fold(parts: Parts, channelId: Hex, options: UpdateOptions): Promise<void> {
  return rebase(parts, channelId, options, "folding", (core) => core.fold(channelId, now()));
}

/** Payee: gives money back to the payer. */
export function giveBack(parts: Parts, channelId: Hex, amount: bigint, options: UpdateOptions): Promise<void> {
  const begin = (core: Core) => core.giveBack(channelId, amount, now());
  return rebase(parts, channelId, options, "giving back", begin);
}

/** Takes money out, and waits until the chain paid it. Returns the id of the channel that goes on. */
export function withdraw(parts: Parts, channelId: Hex, amount: bigint, options: UpdateOptions): Promise<Hex> {
  return fulfil<Hex>(parts, channelId, options, {
    what: "withdrawing",
    begin: (core) => core.withdraw(channelId, amount, now()),
    during: ["open", "withdrawing", "closing", "closed"],
    onEvent: (event) => (event.type === "succeeded" ? event.successor : undefined),
  });
}

/** Puts the best state on the chain, and waits until that is confirmed. */
export async function snapshot(parts: Parts, channelId: Hex, options: UpdateOptions): Promise<void> {
  const { turnRecord: before } = await loadedInfo(parts, channelId);
  await fulfil(parts, channelId, options, {
    what: "putting a snapshot on the chain",
    begin: (core) => core.snapshot(channelId, now()),
    during: ["open", "challenged"],
    onHead: ({ turnRecord }) => (turnRecord > before ? true : undefined),
  });
}

/** Asks whether the other side is there, and waits for its answer. */
export async function ping(parts: Parts, channelId: Hex, options: UpdateOptions): Promise<void> {
  await fulfil(parts, channelId, options, {
    what: "waiting for the other side",
    begin: (core) => core.ping(channelId, now()),
    during: [
      "initialized",
      "signed",
      "open",
      "disconnected",
      "stale",
      "withdrawing",
      "closing",
      "challenged",
      "closed",
    ],
    onEvent: ({ type }) => (type === "peerAlive" ? true : undefined),
  });
}
