// The messages for peers that cannot be called, as a payee's payers are: what there is to say to one waits for its next
// message. A hub, whose answer comes from further down the way, lets that message wait in turn.

import { senderOf } from "./core.js";
import { Driver, now } from "./driver.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { isOver } from "./parts.js";
import type { Sellers } from "./sellers.js";
import type { Hex } from "./types.js";

/** Messages kept for one peer and channel; the newest say all that the older ones said. */
const MAX_WAITING = 16;
/** How long a hub lets a message wait for its answer, in milliseconds. */
const LONGEST_HOLD = 5_000;
/** How many messages a hub lets wait at once, and of one peer; what is above is answered at once, and asks again. */
const MAX_HELD = 1_000;
const MAX_HELD_OF_PEER = 32;
/** How many messages about other channels go with an answer. */
const MAX_MORE = 16;
/** For how many channels that are over messages are kept. */
const MAX_OVER = 1_000;

/** A message that waits for its answer. */
interface Held {
  readonly peer: Hex;
  readonly channelId: Hex;
  /** There is an answer, or there will be none. */
  readonly wake: () => void;
}

export class Mailbox {
  readonly #driver: Driver;
  readonly #sellers: Sellers;
  /** By channel, then by peer. */
  readonly #waiting = new Map<Hex, Map<Hex, Uint8Array[]>>();
  readonly #held = new Set<Held>();
  /** The channels through hubs that there is something to say about, by peer. */
  readonly #owed = new Map<Hex, Set<Hex>>();
  /** Channels through hubs that are over, the oldest first. */
  readonly #over: Hex[] = [];

  constructor(driver: Driver, sellers: Sellers) {
    this.#driver = driver;
    this.#sellers = sellers;
    driver.signals.on("send", ({ channelId, peer, bytes }) => {
      // Without a channel it is the refusal of one, picked up at once by whoever handed the message in.
      if (!sellers.reaches(channelId, peer)) this.#put(channelId, peer, bytes);
    });
    driver.signals.on("storeFailed", ({ channelId }) => this.#drop(channelId));
    driver.stopped.addEventListener("abort", () => {
      for (const { wake } of this.#held) wake();
    });
    driver.signals.on("event", (event) => {
      if (event.type !== "statusChanged" || !isOver(event.status)) return;
      if (!this.#driver.core.channel(event.channelId)?.hubs) return this.#drop(event.channelId);
      // What a virtual channel was given up for is still to be said.
      this.#wake(event.channelId);
      this.#over.push(event.channelId);
      if (this.#over.length > MAX_OVER) this.#drop(this.#over.shift() ?? event.channelId);
    });
  }

  /** Takes in a peer's message, and returns what goes back to it. `signal`: the peer does not wait any more. */
  async receive(message: Uint8Array, signal?: AbortSignal): Promise<Uint8Array[]> {
    // Believed once the core took the message: of one with a wrong signature no channel is touched.
    const sender = senderOf(message);
    const answered = sender === undefined ? () => {} : this.#sellers.answer(sender);
    return this.#receive(message, sender, signal).finally(answered);
  }

  async #receive(message: Uint8Array, sender: Hex | undefined, signal?: AbortSignal): Promise<Uint8Array[]> {
    let failure: MillstreamError | undefined;
    const failures = new Map<Hex, MillstreamError>();
    const end = this.#driver.signals.on("storeFailed", ({ channelId, error }) => failures.set(channelId, error));
    const outcome = await this.#driver.runStored((core) => core.message(message, now())).finally(end);
    for (const channelId of outcome.channels) failure ??= failures.get(channelId);
    const reply = sender === undefined || signal?.aborted ? [] : this.#take(outcome.channels, sender);
    if (failure) throw failure;
    if (!("error" in outcome)) {
      if (sender === undefined || signal?.aborted) return reply;
      if (reply.length > 0) return [...reply, ...this.#takeMore(sender)];
      await this.#hold(outcome.channels, sender, signal);
      return signal?.aborted ? [] : [...this.#take(outcome.channels, sender), ...this.#takeMore(sender)];
    }
    const { error } = outcome;
    if (reply.length === 0 || !isMillstreamError(error)) throw error;
    throw new MillstreamError(error.code, error.message, { cause: error, details: { ...error.details, reply } });
  }

  /** Waits for something to say to the peer about one of the channels, where somebody further down is to say it. */
  async #hold(channels: ReadonlySet<Hex>, peer: Hex, signal: AbortSignal | undefined): Promise<void> {
    const channelId = [...channels].find((id) => this.#awaitsAnswer(id) && !this.#sellers.reaches(id, peer));
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

  /** What is to be said to a peer about channels through hubs, whatever it called for: it may not call for them for long. */
  #takeMore(peer: Hex): Uint8Array[] {
    const taken: Uint8Array[] = [];
    const owed = this.#owed.get(peer);
    for (const channelId of owed ?? []) {
      if (taken.length >= MAX_MORE) return taken;
      owed?.delete(channelId);
      taken.push(...this.#take(new Set([channelId]), peer));
    }
    this.#owed.delete(peer);
    return taken;
  }

  #put(channelId: Hex, peer: Hex, bytes: Uint8Array): void {
    const waiting = this.#waiting.get(channelId) ?? new Map<Hex, Uint8Array[]>();
    this.#waiting.set(channelId, waiting);
    waiting.set(peer, [...(waiting.get(peer) ?? []), bytes].slice(-MAX_WAITING));
    if (this.#driver.core.channel(channelId)?.hubs) {
      const owed = this.#owed.get(peer) ?? new Set();
      this.#owed.set(peer, owed.add(channelId));
    }
    this.#wake(channelId, peer);
  }

  #drop(channelId: Hex): void {
    for (const peer of this.#waiting.get(channelId)?.keys() ?? []) {
      const owed = this.#owed.get(peer);
      owed?.delete(channelId);
      if (owed?.size === 0) this.#owed.delete(peer);
    }
    this.#waiting.delete(channelId);
    this.#wake(channelId);
  }

  #wake(channelId: Hex, peer?: Hex): void {
    // In the next moment: more may come with it.
    for (const held of this.#held)
      if (held.channelId === channelId && (peer ?? held.peer) === held.peer) queueMicrotask(held.wake);
  }
}
