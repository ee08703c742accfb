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
async function native(quick) {
  const { files } = await cargoBuild(["--release", "--package", "millstream-tests", "--bin", "bench-machine"]);
  const program = files.find((file) => /bench-machine(\.exe)?$/.test(file));
  const { stdout } = await promisify(execFile)(program, quick ? ["--quick"] : []);
  return JSON.parse(stdout);
}

export async function run(duration) {
  const figures = await native(duration === DURATIONS.quick);
  const wasm = await loadModule();
  figures["payments_per_second.wasm"] = paymentsPerSecond(wasm, duration.operationMs / 2);
  figures["payments_per_second.wasm_lease"] = paymentsPerSecond(wasm, duration.operationMs / 2, { lease: LEASE });
  const named = Object.entries(figures).map(([name, value]) => [`machine.${name}`, value]);
  return { title: "the machine", figures: Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1))) };
}
