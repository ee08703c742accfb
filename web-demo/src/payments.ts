// The list of payments, newest first, and its export.

import { byId, enable, make } from "./dom.js";
import { ether, integer, milliseconds } from "./format.js";
import type { Payment, Session } from "./session.js";

/** More rows than anybody reads; the export has them all. */
const MAX_ROWS = 100;

export function showPayments(session: Session): void {
  const body = byId("payments", HTMLTableElement).tBodies[0] ?? byId("payments", HTMLTableElement).createTBody();
  const note = byId("payments-note");
  const button = byId("export", HTMLButtonElement);
  let shown = 0;
  session.watch(() => {
    const { payments } = session;
    if (payments.length === shown) return;
    const fresh = payments.slice(Math.max(shown, payments.length - MAX_ROWS));
    body.prepend(...fresh.reverse().map(row));
    while (body.rows.length > MAX_ROWS) body.deleteRow(-1);
    shown = payments.length;
    note.textContent =
      shown > MAX_ROWS ? `The newest ${MAX_ROWS} of ${integer(shown)}. The export has all of them.` : "";
    enable(button, shown > 0);
  });
  button.addEventListener("click", () => save(session));
}

function row(payment: Payment): HTMLTableRowElement {
  const cell = (text: string) => make("td", {}, text);
  return make(
    "tr",
    { "data-serial": String(payment.serial), "data-cumulative": String(payment.cumulativeAmount) },
    make("th", { scope: "row" }, String(payment.chunk)),
    cell(integer(payment.bytes)),
    cell(ether(payment.amount)),
    cell(ether(payment.cumulativeAmount)),
    cell(milliseconds(payment.signMs)),
    cell(milliseconds(payment.roundTripMs)),
    cell(payment.verified ? "yes" : "no"),
  );
}

/** Everything that is needed to redeem or to check the payments without this page. */
function save({ config, channel, payments }: Session): void {
  const hex = (bytes: Uint8Array) => `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const document = {
    contracts: config.contracts,
    channelId: channel?.id,
    payer: channel?.info.payer,
    payee: channel?.info.payee,
    deposit: String(channel?.deposit),
    payments: payments.map(({ voucher, amount, cumulativeAmount, time, ...rest }) => ({
      ...rest,
      amount: String(amount),
      cumulativeAmount: String(cumulativeAmount),
      time: new Date(time).toISOString(),
      voucher: hex(voucher),
    })),
  };
  const url = URL.createObjectURL(new Blob([JSON.stringify(document, null, 2)], { type: "application/json" }));
  make("a", { href: url, download: "millstream-payments.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
