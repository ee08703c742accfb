// Streaming: what a tick costs each side against a voucher, native and in the module, and what travels.

import { openChannel } from "./channel.mjs";
import { DURATIONS } from "./harness.mjs";
import { native } from "./machine.mjs";
import { loadModule } from "./module.mjs";

/** Payments of one batch: a voucher and all its ticks. */
const BATCH = 256;

/** Payments per second that the payer makes and the payee accepts: the best batch of many. */
function rates(wasm, ms, ticks) {
  const { pay, accept } = openChannel(wasm);
  let [paid, accepted] = [0, 0];
  for (const end = performance.now() + ms; performance.now() < end;) {
    // The voucher that the ticks belong to is not one of them.
    if (ticks > 0) accept(pay(ticks));
    const count = BATCH - (ticks > 0 ? 1 : 0);
    const start = performance.now();
    const payments = Array.from({ length: count }, () => pay(ticks));
    const middle = performance.now();
    for (const payment of payments) accept(payment);
    paid = Math.max(paid, (1000 * count) / (middle - start));
    accepted = Math.max(accepted, (1000 * count) / (performance.now() - middle));
  }
  return { paid: Math.round(paid), accepted: Math.round(accepted) };
}

/** The length of a header line with a payment in it, its end included. */
const headerBytes = (payment) => `Payment: ${Buffer.from(payment).toString("base64url")}\r\n`.length;

export async function run(duration) {
  const quick = duration === DURATIONS.quick;
  const all = await native(quick, "--stream");
  const wasm = await loadModule();
  const ticks = rates(wasm, duration.operationMs / 2, 255);
  const vouchers = rates(wasm, duration.operationMs / 2, 0);
  const { pay } = openChannel(wasm);
  const [voucher, tick] = [headerBytes(pay(255)), headerBytes(pay(255))];
  const figures = {
    ...all,
    "stream.ticks_per_second.wasm": ticks.accepted,
    "stream.ticks_released_per_second.wasm": ticks.paid,
    "stream.vouchers_per_second.wasm": vouchers.accepted,
    "stream.vouchers_signed_per_second.wasm": vouchers.paid,
    "stream.header_bytes.tick": tick,
    "stream.header_bytes.voucher": voucher,
  };
  for (const where of ["native", "wasm"]) {
    const ratio = figures[`stream.ticks_per_second.${where}`] / figures[`stream.vouchers_per_second.${where}`];
    figures[`stream.tick_over_voucher.${where}`] = Number(ratio.toFixed(1));
  }
  const text = (key) => figures[`stream.${key}`].toLocaleString("en-US");
  const row = (what, key) => [what, text(`${key}.native`), text(`${key}.wasm`)];
  const tables = [
    [
      ["payments per second on one core", "native", "WebAssembly"],
      row("payee accepts a tick, from its bytes to the durable record", "ticks_per_second"),
      row("payee accepts a voucher", "vouchers_per_second"),
      row("a tick against a voucher, times as many", "tick_over_voucher"),
      row("payer releases a tick, from the call to its bytes", "ticks_released_per_second"),
      row("payer signs a voucher", "vouchers_signed_per_second"),
    ],
    [
      ["the Payment header of a request", "bytes"],
      ["with a tick", text("header_bytes.tick")],
      ["with a voucher", text("header_bytes.voucher")],
    ],
  ];
  return { title: "streaming", tables, figures: Object.fromEntries(Object.entries(figures).sort()) };
}
