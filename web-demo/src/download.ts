// Step 2: the download. Each chunk is paid for, fetched and checked before the next one is paid for.

import { decodePayment, isMillstreamError, type DownloadProgress } from "millstream";

import { byId, enable, figure, say } from "./dom.js";
import { clearError, showError } from "./errors.js";
import { bytes, count } from "./format.js";
import { showResult } from "./preview.js";
import type { Session } from "./session.js";

/** Below this many chunks a download at full speed is over before anybody has seen it. */
const WATCHABLE_CHUNKS = 200;
/** Milliseconds between chunks at the pace to watch. */
const WATCH_PAUSE = 200;
const TRIES = 4;

const startButton = byId("start", HTMLButtonElement);
const stopButton = byId("stop", HTMLButtonElement);
const pace = byId("pace", HTMLSelectElement);

export function offerDownload(session: Session): void {
  let stopping: AbortController | undefined;
  pace.value = session.chunks.length < WATCHABLE_CHUNKS ? "watch" : "full";
  const start = () => {
    if (session.phase !== "open" || session.complete) return;
    stopping = new AbortController();
    void run(session, stopping.signal).then((error) => {
      if (error !== undefined) showError(error, session.complete ? undefined : { label: "Resume", run: start });
    });
  };
  startButton.addEventListener("click", start);
  stopButton.addEventListener("click", () => stopping?.abort());
  session.watch(() => {
    const { phase, complete, received } = session;
    startButton.textContent = startLabel(session);
    enable(stopButton, phase === "downloading");
    enable(startButton, phase === "open" && !complete, stopButton);
    if (document.activeElement === document.body && phase === "open" && received > 0 && !complete) startButton.focus();
  });
}

function startLabel({ phase, complete, received }: Session): string {
  if (phase === "downloading") return "Downloading …";
  if (complete) return "Downloaded";
  return received > 0 ? "Resume download" : "Start download";
}

/** Downloads what is missing. @returns what went wrong, if anything */
async function run(session: Session, signal: AbortSignal): Promise<unknown> {
  const { wallet, channel, config, chunks, payments } = session;
  if (!wallet || !channel) return undefined;
  clearError();
  session.enter("downloading");
  say("Downloading: each chunk is paid for, fetched and checked.");
  const url = new URL(config.item.path, location.href);
  const have = new Set([...chunks.keys()].filter((index) => chunks[index]));
  const vouchers = new Map<string, Uint8Array>();
  const before = session.downloadMs;
  const began = performance.now();
  const tick = () => {
    session.downloadMs = before + performance.now() - began;
    showSpeed(session);
    session.changed();
  };
  const clock = setInterval(tick, 250);
  try {
    const onProgress = (progress: DownloadProgress) => follow(session, progress);
    for await (const chunk of wallet.download(url, {
      channel,
      have,
      signal,
      parallel: 1, // so that each can be watched
      tries: TRIES,
      fetch: recording(vouchers),
      onProgress,
    })) {
      chunks[chunk.index] = chunk.bytes;
      session.inFlight = undefined;
      payments.push({
        serial: chunk.serial,
        chunk: chunk.index,
        bytes: chunk.bytes.length,
        amount: session.amounts.get(`${chunk.serial}.${chunk.ticks}`) ?? chunk.amount,
        cumulativeAmount: chunk.cumulativeAmount,
        signMs: chunk.signMs,
        roundTripMs: chunk.roundTripMs,
        verified: true, // or the package would have thrown
        time: Date.now(),
        voucher: vouchers.get(`${chunk.serial}.${chunk.ticks}`) ?? new Uint8Array(),
      });
      tick();
      if (pace.value === "watch") await pause(WATCH_PAUSE, signal);
    }
    const sha256 = await showResult(session);
    say(`All ${count(chunks.length, "chunk")} are here. SHA-256 ${sha256.slice(0, 16)}…`);
    return undefined;
  } catch (error) {
    if (signal.aborted && isMillstreamError(error) && error.code === "ABORTED") {
      say(`Stopped with ${session.received} of ${count(chunks.length, "chunk")}. Nothing is paid while it is stopped.`);
      return undefined;
    }
    say(`The download stopped with ${session.received} of ${count(chunks.length, "chunk")}.`);
    return error;
  } finally {
    clearInterval(clock);
    session.inFlight = undefined;
    tick();
    session.enter("open");
  }
}

function follow(session: Session, { state, index, attempt }: DownloadProgress): void {
  if (state === "received") return;
  session.inFlight = index;
  if (attempt > 1) say(`The seller does not answer. Try ${attempt} of ${TRIES} for chunk ${index}.`);
  session.changed();
}

/** `fetch`, keeping a copy of every payment that leaves, by its voucher and ticks. */
function recording(vouchers: Map<string, Uint8Array>): typeof fetch {
  return (input, options) => {
    const header = new Headers(options?.headers).get("payment");
    if (header !== null) {
      const payment = Uint8Array.from(atob(header.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
      const { serial, ticks } = decodePayment(payment);
      vouchers.set(`${serial}.${ticks}`, payment);
    }
    return fetch(input, options);
  };
}

/** Speed so far, pauses at the pace to watch included. */
function showSpeed({ chunks, downloadMs }: Session): void {
  const received = chunks.reduce((sum, chunk) => sum + (chunk?.length ?? 0), 0);
  if (downloadMs > 0) figure("speed", `${bytes((received / downloadMs) * 1000)}/s`, received / downloadMs);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener("abort", over);
  });
}
