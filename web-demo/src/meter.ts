// The channel's meter: deposit, spent, remaining, price, rate and what the chain has seen.

import { byId, figure } from "./dom.js";
import { amount, integer, short } from "./format.js";
import { onChain } from "./hub.js";
import type { Session } from "./session.js";

export function showMeter(session: Session): void {
  const bar = byId("meter-bar");
  const spentPart = byId("meter-spent");
  const { price } = session.config.item;
  figure("figure-price", amount(price), price);
  session.watch(() => {
    const { channel, funded } = session;
    if (funded) figure("figure-deposit", amount(funded.deposit), funded.deposit);
    if (!channel) return;
    const { size } = session.amounts;
    figure("figure-payments", integer(size), size);
    figure("channel-id", short(channel.id), channel.id);
    byId("channel-id").title = channel.id;
    const { deposit, paid } = channel;
    const remaining = deposit - paid;
    figure("figure-spent", amount(paid), paid);
    figure("figure-remaining", amount(remaining), remaining);
    const percent = deposit === 0n ? 0 : Number((paid * 10_000n) / deposit) / 100;
    spentPart.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", percent.toFixed(1));
    bar.setAttribute("aria-valuetext", `${amount(paid)} of ${amount(deposit)} spent`);
    showRate(session);
  });
}

/** What was spent per second of downloading, in wei: an average, so that it stays true when the download is over. */
function showRate({ payments, downloadMs }: Session): void {
  const spent = payments.reduce((sum, { amount: paid }) => sum + paid, 0n);
  if (downloadMs < 1 || spent === 0n) return;
  const perSecond = (Number(spent) / 1e18 / downloadMs) * 1000;
  figure("figure-rate", `${perSecond.toPrecision(2)} ETH/s`, perSecond);
}

/** Asks the chain which transactions the channel took, or the ledgers that it goes through. */
export async function countTransactions(session: Session): Promise<void> {
  const { config, view } = session;
  const found = await view.transactions(config.contracts.adjudicator, onChain(session));
  figure("figure-transactions", integer(found.length), found.length);
}
