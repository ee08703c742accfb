// A link between a client and a server, as a TCP proxy in a process of its own: so many bytes per second each way, shared by
// all connections, and so long a way.
//
// What comes in is sent on when the line is free (a bucket of tokens without any burst: each piece occupies the line for its
// length) and arrives half a round trip later. At most `QUEUE_BYTES` wait for the line; then nothing more is read, as a
// router with a short queue would make the sender slow down. A new connection costs a round trip before its first byte.

import { once } from "node:events";
import { connect, createServer } from "node:net";

import { answerParent } from "./child.mjs";

/** About 13 ms of a line of 20 MB/s. */
const QUEUE_BYTES = 256 * 1024;

/** One direction of the line. */
class Line {
  #bytesPerMs;
  #delayMs;
  /** Until when the line is occupied. */
  #busyUntil = 0;
  /** What is on its way, in the order of arrival. */
  #pieces = [];
  #arrival;
  /** Sockets that are not read because the queue is full. */
  #paused = new Set();
  #room;

  constructor(bytesPerSecond, delayMs) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#delayMs = delayMs;
  }

  /** Sends on what comes from one socket to another. */
  carry(from, to) {
    from.on("data", (bytes) => {
      this.#send(bytes.length, () => to.destroyed || to.write(bytes));
      if (this.#wait() > 0) this.#pause(from);
    });
    from.on("end", () => this.#send(0, () => to.end()));
    from.on("error", () => to.destroy());
    from.on("close", () => this.#paused.delete(from));
  }

  #send(length, run) {
    this.#busyUntil = Math.max(this.#busyUntil, performance.now()) + length / this.#bytesPerMs;
    this.#pieces.push({ at: this.#busyUntil + this.#delayMs, run });
    if (!this.#arrival) this.#arrival = setTimeout(() => this.#arrive(), this.#delayMs);
  }

  #arrive() {
    while (this.#pieces.length > 0 && this.#pieces[0].at <= performance.now()) this.#pieces.shift().run();
    const [next] = this.#pieces;
    this.#arrival = next && setTimeout(() => this.#arrive(), Math.max(next.at - performance.now(), 0));
  }

  /** How long until the queue has room, in milliseconds. */
  #wait() {
    return this.#busyUntil - performance.now() - QUEUE_BYTES / this.#bytesPerMs;
  }

  #pause(socket) {
    socket.pause();
    this.#paused.add(socket);
    if (!this.#room) this.#room = setTimeout(() => this.#resume(), this.#wait());
  }

  #resume() {
    this.#room = undefined;
    for (const socket of this.#paused) socket.resume();
    this.#paused.clear();
  }
}

/** @returns {Promise<number>} the port of the link's near end */
async function open({ port, bytesPerSecond, roundTripMs }) {
  const up = new Line(bytesPerSecond, roundTripMs / 2);
  const down = new Line(bytesPerSecond, roundTripMs / 2);
  const server = createServer({ noDelay: true, allowHalfOpen: true }, async (client) => {
    client.pause();
    client.on("error", () => {});
    const remote = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    remote.on("error", () => client.destroy());
    await Promise.all([once(remote, "connect"), new Promise((resolve) => setTimeout(resolve, roundTripMs))]);
    up.carry(client, remote);
    down.carry(remote, client);
    client.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

answerParent({ open });
