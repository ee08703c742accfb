// The whole machine: payments from the payer's call to the payee's durable record, with one channel and with a hundred
// thousand. The native part is a Rust program; the module is measured here, with the same hosts.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { cargoBuild } from "../../xtask/build.mjs";
import { openChannel } from "./channel.mjs";
import { DURATIONS } from "./harness.mjs";
import { loadModule } from "./module.mjs";

const BATCH = 50;
const LEASE = { payments: 1_000, amount: 1_000_000n };

/** Payments per second through two cores of the module: the best batch of many. */
function paymentsPerSecond(wasm, ms, config) {
  const { pay, accept } = openChannel(wasm, config);
  let best = 0;
  for (const end = performance.now() + ms; performance.now() < end;) {
    const start = performance.now();
    for (let i = 0; i < BATCH; i += 1) accept(pay());
    best = Math.max(best, (1000 * BATCH) / (performance.now() - start));
  }
  return Math.round(best);
}

/** The figures of the native program, by name. */
export async function native(quick, ...flags) {
  const { files } = await cargoBuild(["--release", "--package", "millstream-tests", "--bin", "bench-machine"]);
  const program = files.find((file) => /bench-machine(\.exe)?$/.test(file));
  const { stdout } = await promisify(execFile)(program, [...flags, ...(quick ? ["--quick"] : [])]);
  return JSON.parse(stdout);
}

const SIZES = [1, 1_000, 10_000, 100_000];
/** What is timed with different numbers of channels. */
const BY_SIZE = {
  "payment.one_channel": "payment, always on the same of N stored",
  "payment.loading": "payment, each on another of N stored; both sides load it",
  "payment.all_loaded": "payment, each on another of N in memory",
  open: "opening a channel beside N others",
  empty_block: "block without events, N in memory",
  event: "event of a block that has one for each of N stored",
};
const PER_SECOND = {
  native: "native",
  native_lease: "native, payer under a lease of 1,000",
  wasm: "WebAssembly",
  wasm_lease: "WebAssembly, payer under a lease of 1,000",
};
const BYTES = {
  "bytes_per_channel.loaded": "memory of a channel that is loaded",
  "bytes_per_channel.idle": "memory of one that was dropped",
  "bytes_per_channel.idle_recent": "the same, within 1,024 blocks of its last event",
  "bytes_per_channel.stored": "its record in the store",
  "open.bytes_sent": "sent to open one, both sides",
  "open.bytes_written": "written to open one, both sides",
};
const COST = {
  cost_ratio_100k: "payment, the worse of the next two",
  cost_ratio_100k_default: "payment, always on the same of the stored",
  cost_ratio_100k_all_loaded: "payment, each on another in memory",
  cost_ratio_100k_open: "opening a channel",
  cost_ratio_100k_loading: "payment that loads its channel: 100,000 over 10,000",
};

/** The figures in words: tables of rows, the first of each its heading. */
function tables(figures) {
  const text = (value, digits = 0) =>
    value === undefined
      ? ""
      : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const list = (heading, unit, words, digits) => [
    [heading, unit],
    ...Object.entries(words).map(([name, what]) => [what, text(figures[name], digits)]),
  ];
  const rates = Object.fromEntries(Object.entries(PER_SECOND).map(([k, what]) => [`payments_per_second.${k}`, what]));
  return [
    list("from the payer's call to the payee's durable record, both in one thread", "payments per second", rates),
    [
      ["µs with N channels", ...SIZES.map((size) => text(size))],
      ...Object.entries(BY_SIZE).map(([name, what]) => [
        what,
        ...SIZES.map((size) => text(figures[`${name}.us.${size}`], 1)),
      ]),
    ],
    list("time with 100,000 channels over the time with one", "ratio", COST, 2),
    list("a channel takes", "bytes", BYTES),
  ];
}

export async function run(duration) {
  const figures = await native(duration === DURATIONS.quick);
  const wasm = await loadModule();
  figures["payments_per_second.wasm"] = paymentsPerSecond(wasm, duration.operationMs / 2);
  figures["payments_per_second.wasm_lease"] = paymentsPerSecond(wasm, duration.operationMs / 2, { lease: LEASE });
  const named = Object.entries(figures).map(([name, value]) => [`machine.${name}`, value]);
  return { title: "the machine", tables: tables(figures), figures: Object.fromEntries(named.sort()) };
}
