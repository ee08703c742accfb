// A payee's messages: a payee cannot call its payers, so what it has to say waits for their next message.

import { Driver, now } from "./driver.js";
import { MillstreamError, isMillstreamError } from "./errors.js";
import { isOver } from "./parts.js";
import type { Hex } from "./types.js";

/** Messages kept for one payer; the newest say all that the older ones said. */
const MAX_WAITING = 16;

export class Mailbox {
  readonly #driver: Driver;
  readonly #waiting = new Map<Hex, Uint8Array[]>();

  /** `isPayer`: whether this wallet is the payer of a channel, whose messages go to its seller. */
  constructor(driver: Driver, isPayer: (channelId: Hex) => boolean) {
    this.#driver = driver;
    driver.signals.on("send", ({ channelId, bytes }) => {
      // Without a channel it is the refusal of one, picked up at once by whoever handed the message in.
      if (!isPayer(channelId)) this.#put(channelId, bytes);
    });
    driver.signals.on("storeFailed", ({ channelId }) => this.#waiting.delete(channelId));
    driver.signals.on("event", (event) => {
      const over = event.type === "statusChanged" && isOver(event.status);
      if (over) this.#waiting.delete(event.channelId);
    });
  }

  /** Takes in a payer's message, and returns what goes back to it. */
  async receive(message: Uint8Array): Promise<Uint8Array[]> {
    let failure: MillstreamError | undefined;
    const failures = new Map<Hex, MillstreamError>();
    const end = this.#driver.signals.on("storeFailed", ({ channelId, error }) => failures.set(channelId, error));
    const outcome = await this.#driver.runStored((core) => core.message(message, now())).finally(end);
    const reply: Uint8Array[] = [];
    for (const channelId of outcome.channels) {
      failure ??= failures.get(channelId);
      reply.push(...(this.#waiting.get(channelId) ?? []));
      this.#waiting.delete(channelId);
    }
    if (failure) throw failure;
    if (!("error" in outcome)) return reply;
    const { error } = outcome;
    if (reply.length === 0 || !isMillstreamError(error)) throw error;
    throw new MillstreamError(error.code, error.message, { cause: error, details: { ...error.details, reply } });
  }

  #put(channelId: Hex, bytes: Uint8Array): void {
    const waiting = this.#waiting.get(channelId) ?? [];
    waiting.push(bytes);
    this.#waiting.set(channelId, waiting.slice(-MAX_WAITING));
  }
}
