// The messages for peers that cannot be called, as a payee's payers are: what there is to say to one waits for its next
// message. A hub, whose answer comes from further down the way, lets that message wait in turn.

import { senderOf } from "./core.js";
import { Driver, now } from "./driver.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { isOver } from "./parts.js";
import type { Hex } from "./types.js";

/** Messages kept for one peer and channel; the newest say all that the older ones said. */
const MAX_WAITING = 16;
/** How long a hub lets a message wait for its answer, in milliseconds. */
const LONGEST_HOLD = 5_000;
/** How many messages a hub lets wait at once, and of one peer; what is above is answered at once, and asks again. */
const MAX_HELD = 1_000;
const MAX_HELD_OF_PEER = 32;

/** A message that waits for its answer. */
interface Held {
  readonly peer: Hex;
  readonly channelId: Hex;
  /** There is an answer, or there will be none. */
  readonly wake: () => void;
}

export class Mailbox {
  readonly #driver: Driver;
  readonly #reaches: (channelId: Hex, peer: Hex) => boolean;
  /** By channel, then by peer. */
  readonly #waiting = new Map<Hex, Map<Hex, Uint8Array[]>>();
  readonly #held = new Set<Held>();

  /** `reaches`: whether messages to a peer about a channel are brought to it. */
  constructor(driver: Driver, reaches: (channelId: Hex, peer: Hex) => boolean) {
    this.#driver = driver;
    this.#reaches = reaches;
    driver.signals.on("send", ({ channelId, peer, bytes }) => {
      // Without a channel it is the refusal of one, picked up at once by whoever handed the message in.
      if (!reaches(channelId, peer)) this.#put(channelId, peer, bytes);
    });
    driver.signals.on("storeFailed", ({ channelId }) => this.#drop(channelId));
    driver.stopped.addEventListener("abort", () => {
      for (const { wake } of this.#held) wake();
    });
    driver.signals.on("event", (event) => {
      if (event.type !== "statusChanged" || !isOver(event.status)) return;
      // What a virtual channel was given up for is still to be said.
      if (this.#driver.core.channel(event.channelId)?.hubs) this.#wake(event.channelId);
      else this.#drop(event.channelId);
    });
  }

  /** Takes in a peer's message, and returns what goes back to it. `signal`: the peer does not wait any more. */
  async receive(message: Uint8Array, signal?: AbortSignal): Promise<Uint8Array[]> {
    // Believed once the core took the message: of one with a wrong signature no channel is touched.
    const sender = senderOf(message);
    let failure: MillstreamError | undefined;
    const failures = new Map<Hex, MillstreamError>();
    const end = this.#driver.signals.on("storeFailed", ({ channelId, error }) => failures.set(channelId, error));
    const outcome = await this.#driver.runStored((core) => core.message(message, now())).finally(end);
    for (const channelId of outcome.channels) failure ??= failures.get(channelId);
    const reply = sender === undefined || signal?.aborted ? [] : this.#take(outcome.channels, sender);
    if (failure) throw failure;
    if (!("error" in outcome)) {
      if (sender === undefined || reply.length > 0 || signal?.aborted) return reply;
      await this.#hold(outcome.channels, sender, signal);
      return signal?.aborted ? [] : this.#take(outcome.channels, sender);
    }
    const { error } = outcome;
    if (reply.length === 0 || !isMillstreamError(error)) throw error;
    throw new MillstreamError(error.code, error.message, { cause: error, details: { ...error.details, reply } });
  }

  /** Waits for something to say to the peer about one of the channels, where somebody further down is to say it. */
  async #hold(channels: ReadonlySet<Hex>, peer: Hex, signal: AbortSignal | undefined): Promise<void> {
    const channelId = [...channels].find((id) => this.#awaitsAnswer(id) && !this.#reaches(id, peer));
    if (channelId === undefined || this.#held.size >= MAX_HELD) return;
    if ([...this.#held].filter((held) => held.peer === peer).length >= MAX_HELD_OF_PEER) return;
    if (signal?.aborted || this.#driver.stopped.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#held.delete(held);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, LONGEST_HOLD);
      const held = { peer, channelId, wake };
      this.#held.add(held);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** Whether we are a hub that asked further down, and has no answer yet. */
  #awaitsAnswer(channelId: Hex): boolean {
    const { role, status, closing } = this.#driver.core.channel(channelId) ?? {};
    return role === "hub" && (status === "initialized" || (status === "closing" && closing?.agreed === false));
  }

  #take(channels: ReadonlySet<Hex>, peer: Hex): Uint8Array[] {
    const taken: Uint8Array[] = [];
    for (const channelId of channels) {
      const waiting = this.#waiting.get(channelId);
      taken.push(...(waiting?.get(peer) ?? []));
      waiting?.delete(peer);
      if (waiting?.size === 0) this.#waiting.delete(channelId);
    }
    return taken;
  }

  #put(channelId: Hex, peer: Hex, bytes: Uint8Array): void {
    const waiting = this.#waiting.get(channelId) ?? new Map<Hex, Uint8Array[]>();
    this.#waiting.set(channelId, waiting);
    waiting.set(peer, [...(waiting.get(peer) ?? []), bytes].slice(-MAX_WAITING));
    this.#wake(channelId, peer);
  }

  #drop(channelId: Hex): void {
    this.#waiting.delete(channelId);
    this.#wake(channelId);
  }

  #wake(channelId: Hex, peer?: Hex): void {
    // In the next moment: more may come with it.
    for (const held of this.#held)
      if (held.channelId === channelId && (peer ?? held.peer) === held.peer) queueMicrotask(held.wake);
  }
}
