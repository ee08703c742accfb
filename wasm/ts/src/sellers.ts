// The peers that this wallet can call: where they are, and bringing them messages until they answer. They are the sellers
// and hubs of its channels; about a virtual channel, messages go to the neighbours on its way, whose place is that of the
// ledgers with them, and to the seller itself.

import { Driver, now } from "./driver.js";
import { keccak256 } from "./core.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import { toHex } from "./encoding.js";
import { isOver } from "./parts.js";
import { isObject } from "./rpc.js";
import type { Store } from "./store.js";
import { postMessage } from "./transport.js";
import { sleep } from "./waits.js";
import type { ChannelInfo, Hex, StoredRecord } from "./types.js";

export interface SellerSignals {
  /** The seller could not be reached, or its answer not be used; `attempts` in a row by now. */
  failed: { channelId: Hex; error: MillstreamError; attempts: number };
}

/** How long to wait before a message is sent again: at first, and at most, in milliseconds. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 15_000;
/** Messages that wait for one seller; more are dropped, since resuming sends what matters. */
const MAX_WAITING = 8;

/** What this wallet noted about a channel beside the core's record. */
interface Note {
  readonly channelId: Hex;
  readonly seller: string;
  /** The block in which the channel was proposed: its events are not older. */
  readonly block: number;
}

export class Sellers {
  readonly signals = new Events<SellerSignals>();
  readonly #driver: Driver;
  readonly #store: Store;
  readonly #fetch: typeof fetch;
  readonly #notes = new Map<Hex, Note>();
  /** By channel and peer. */
  readonly #waiting = new Map<string, Uint8Array[]>();
  /** How often in a row messages about a channel did not arrive. */
  readonly #attempts = new Map<Hex, number>();
  /** The channels that are being resumed until their seller answers. */
  readonly #resuming = new Set<Hex>();
  readonly #busy: (channelId: Hex) => boolean;
  /** Where hubs take messages that opened ledgers with us, by their channel keys. */
  readonly #met = new Map<Hex, string>();
  /** How many messages of a peer are being answered. */
  readonly #answering = new Map<Hex, number>();

  /** `busy`: whether a transaction of a channel is under way, which resuming would ask for again. */
  constructor(driver: Driver, store: Store, fetch: typeof globalThis.fetch, busy: (channelId: Hex) => boolean) {
    this.#driver = driver;
    this.#store = store;
    this.#fetch = fetch;
    this.#busy = busy;
    driver.signals.on("send", ({ channelId, peer, bytes }) => {
      if (!this.reaches(channelId, peer)) return;
      this.#send(channelId, peer, bytes);
      // The answer may be owed without any event before it: the seller may see the deposit later than we do.
      this.follow(channelId);
    });
    driver.signals.on("event", ({ type, channelId }) => {
      // A payment is a payee's; there is one with every chunk that is sold.
      if (type !== "paymentReceived") this.follow(channelId);
    });
  }

  /** Remembers where a hub is, for what is to be said to it unasked. */
  meet(peer: Hex, url: string): void {
    this.#met.set(peer, url);
  }

  /** What there is to say to a peer now goes with the answer to its message, until the function returned is called. */
  answer(peer: Hex): () => void {
    this.#answering.set(peer, (this.#answering.get(peer) ?? 0) + 1);
    return () => {
      const left = (this.#answering.get(peer) ?? 1) - 1;
      if (left > 0) this.#answering.set(peer, left);
      else this.#answering.delete(peer);
    };
  }

  /** Whether messages to a peer about a channel are brought to it; otherwise they wait for the peer's next one. */
  reaches(channelId: Hex, peer: Hex): boolean {
    const info = this.#driver.core.channel(channelId);
    if (info?.hubs) return this.#urlOnWay(info, peer) !== undefined;
    // A channel that was dropped from memory has a note nevertheless.
    return info?.role === "payer" || this.#notes.has(channelId);
  }

  /** Where the seller of a channel takes messages. */
  url(channelId: Hex): string | undefined {
    return this.#find(channelId)?.seller;
  }

  /** The block in which a channel was proposed, or an earlier one, if it is known. */
  block(channelId: Hex): number | undefined {
    const noted = this.#find(channelId)?.block;
    if (noted !== undefined) return noted;
    // A virtual channel cannot be older than the ledgers on its way.
    const { upstream, downstream } = this.#driver.core.channel(channelId) ?? {};
    const blocks = [upstream, downstream].map((hop) => hop && this.#driver.core.channel(hop.ledger)?.seenBlock);
    const known = blocks.filter((block) => block !== undefined);
    return known.length > 0 ? Math.min(...known) : undefined;
  }

  /** Where a neighbour on the way of a virtual channel, or its seller, takes messages now. */
  #urlOnWay({ id, role, payee, upstream, downstream }: ChannelInfo, peer: Hex): string | undefined {
    for (const hop of [downstream, upstream]) {
      const ledger = hop && this.#driver.core.channel(hop.ledger);
      const url = ledger?.peer === peer ? this.url(ledger.id) : undefined;
      if (url !== undefined) return url;
    }
    if (role === "payer" && peer === payee) return this.url(id);
    return this.#answering.has(peer) ? undefined : this.#met.get(peer);
  }

  /** The note of a channel. A successor has none at first: its seller is that of the channel that it goes on from. */
  #find(channelId: Hex): Note | undefined {
    const note = this.#notes.get(channelId);
    if (note) return note;
    const info = this.#driver.core.channel(channelId);
    const before = info?.predecessor === undefined || info.role === "payee" ? undefined : this.#find(info.predecessor);
    if (!before) return undefined;
    const inherited = { ...before, channelId };
    this.note(inherited).catch((cause: unknown) => {
      // Found again the same way at the next start; or another process noted the same.
      if (isMillstreamError(cause) && cause.code === "STORE_CONFLICT") return;
      const error = new MillstreamError("STORE_FAILED", "storing where the seller is failed", { cause });
      this.#driver.signals.emit("error", { error, channelId });
    });
    return inherited;
  }

  /** Remembers where the seller of a channel is, in the store as well. Call it before the first message leaves. */
  async note(note: Note): Promise<void> {
    this.#notes.set(note.channelId, note);
    const bytes = new TextEncoder().encode(JSON.stringify({ version: 1, ...note }));
    // Due from the start: it is how a payer's channels are found.
    await this.#store.commit([{ key: noteKey(note.channelId), expectedVersion: 0, bytes, wakeAt: 0 }]);
  }

  /** Takes the notes out of what the store has: the rest is the core's. */
  takeNotes(records: readonly StoredRecord[]): StoredRecord[] {
    return records.filter((record) => {
      const note = readNote(record);
      if (note) this.#notes.set(note.channelId, note);
      return note === undefined;
    });
  }

  /** The channels that there are notes of. */
  known(): Hex[] {
    return [...this.#notes.keys()];
  }

  /** Keeps resuming a channel as long as its seller owes an answer. */
  follow(channelId: Hex): void {
    if (this.#resuming.has(channelId) || !this.#owesAnswer(channelId)) return;
    this.#resuming.add(channelId);
    void this.#resume(channelId).finally(() => this.#resuming.delete(channelId));
  }

  async #resume(channelId: Hex): Promise<void> {
    const { stopped } = this.#driver;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE)) {
      // The first message was sent just now, so this waits before it asks.
      await sleep(pause, stopped, "waiting for the seller").catch(() => {});
      if (stopped.aborted || !this.#owesAnswer(channelId)) return;
      if (this.#busy(channelId) || this.#isSending(channelId)) continue;
      try {
        await this.#driver.runLoaded((core) => core.resume(channelId, now()));
      } catch (error) {
        if (!isMillstreamError(error)) throw error;
        this.#driver.signals.emit("error", { error, channelId });
        return;
      }
    }
  }

  #owesAnswer(channelId: Hex): boolean {
    const info = this.#driver.core.channel(channelId);
    if (!info) return false;
    if (info.hubs) return awaitsOnWay(info) || (this.#attempts.has(channelId) && !isOver(info.status));
    return awaitsSeller(info) && this.#find(channelId) !== undefined;
  }

  #isSending(channelId: Hex): boolean {
    for (const name of this.#waiting.keys()) if (name.startsWith(channelId)) return true;
    return false;
  }

  #send(channelId: Hex, peer: Hex, bytes: Uint8Array): void {
    const name = channelId + peer;
    const waiting = this.#waiting.get(name);
    if (waiting) {
      if (waiting.length < MAX_WAITING) waiting.push(bytes);
      return;
    }
    const fresh = [bytes];
    this.#waiting.set(name, fresh);
    void this.#deliver(channelId, peer, fresh).finally(() => this.#waiting.delete(name));
  }

  async #deliver(channelId: Hex, peer: Hex, waiting: Uint8Array[]): Promise<void> {
    const { stopped } = this.#driver;
    const info = this.#driver.core.channel(channelId);
    // Known now, while the channel is in memory.
    const url = info?.hubs ? this.#urlOnWay(info, peer) : this.url(channelId);
    for (let message; (message = waiting[0]) && !stopped.aborted; waiting.shift()) {
      try {
        if (url === undefined) throw sellerUnknown(channelId);
        const answers = await postMessage(url, message, this.#fetch, stopped);
        if (stopped.aborted) return;
        this.#attempts.delete(channelId);
        for (const answer of answers) await this.#driver.runLoaded((core) => core.message(answer, now()));
      } catch (error) {
        if (stopped.aborted) return;
        if (!isMillstreamError(error)) throw error;
        const attempts = (this.#attempts.get(channelId) ?? 0) + 1;
        this.#attempts.set(channelId, attempts);
        this.signals.emit("failed", { channelId, error, attempts });
        if (error.code === "SELLER_UNREACHABLE") this.follow(channelId);
      }
    }
  }
}

/** Whether the payer's next step waits for a message of the seller. */
function awaitsSeller(info: ChannelInfo): boolean {
  if (info.role !== "payer") return false;
  switch (info.status) {
    case "initialized":
    case "disconnected":
    case "stale":
      return true;
    case "signed":
      // A successor's money comes with the pay-out of the channel before it.
      return info.predecessor === undefined && info.holdings >= info.deposit + info.payeeDeposit;
    case "open":
      return info.pending;
    case "withdrawing":
    case "closing":
      return !info.leaving && info.closing?.agreed !== true;
    default:
      return false;
  }
}

/** Whether the next step of a virtual channel waits for a message from further down its way. */
function awaitsOnWay({ role, status, closing }: ChannelInfo): boolean {
  if (role === "payee") return false;
  return (
    status === "initialized" ||
    (status === "closing" && closing !== undefined && !closing.agreed) ||
    (role === "payer" && status === "disconnected")
  );
}

/** Notes lie among the records, under keys that no channel has. */
function noteKey(channelId: Hex): Hex {
  return toHex(keccak256(new TextEncoder().encode(`millstream note ${channelId}`)));
}

function readNote({ key, bytes }: StoredRecord): Note | undefined {
  // "{": no record of the core, which is a CBOR array, begins with it.
  if (bytes?.[0] !== 0x7b) return undefined;
  try {
    const note: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (!isObject(note) || note["version"] !== 1) return undefined;
    const { channelId, seller, block } = note;
    if (typeof channelId !== "string" || typeof seller !== "string" || typeof block !== "number") return undefined;
    return key === noteKey(channelId as Hex) ? { channelId: channelId as Hex, seller, block } : undefined;
  } catch {
    return undefined;
  }
}

function sellerUnknown(channelId: Hex): MillstreamError {
  return new MillstreamError("SELLER_UNKNOWN", `it is not known where the seller of channel ${channelId} is`, {
    details: { channelId },
  });
}
