// Step 3: closing together with one transaction, or alone when the seller does not answer; then what the chain saw. With a hub
// the channel closes without one, and then the ledgers.

import type { Channel, CloseResult, LeaveProgress } from "millstream";

import type { ChainTransaction } from "./chain-view.js";
import { byId, enable, figure, make, say } from "./dom.js";
import { clearError, describe, showError } from "./errors.js";
import { amount, count, ether, integer } from "./format.js";
import { nameOf, onChain, settleBehind, stepsOf } from "./hub.js";
import { countTransactions } from "./meter.js";
import type { Balances, Session } from "./session.js";

const closeButton = byId("close-button", HTMLButtonElement);
const leaveButton = byId("leave-button", HTMLButtonElement);
const againButton = byId("again-button", HTMLButtonElement);
const countdown = byId("countdown");

/** Errors after which the seller cannot be counted on. */
const SELLER_GONE = new Set(["SELLER_UNREACHABLE", "SELLER_REFUSED", "SELLER_ANSWER_MALFORMED", "ABORTED"]);
const CLOSE_STEPS = [
  "Channel closed through the hub, without a transaction",
  "Ledger with the hub closed, with one transaction",
  "The hub closed its ledger with the seller, with another one",
];
/** How long to wait for the close together, in milliseconds. */
const CLOSE_TIMEOUT = 90_000;

export function offerClosing(session: Session): void {
  let sellerGone = false;
  session.watch(() => {
    const { phase } = session;
    againButton.hidden = phase !== "closed";
    leaveButton.hidden = !(sellerGone && (phase === "open" || phase === "stuck" || phase === "leaving"));
    enable(leaveButton, phase !== "leaving");
    enable(closeButton, phase === "open" || phase === "funded" || phase === "stuck", againButton);
  });

  const leave = async () => {
    const error = await finish(session, "leaving", () => leaveAlone(session));
    if (error !== undefined) showError(error);
  };
  const close = async () => {
    const error = await finish(session, "closing", () => closeTogether(session));
    if (error === undefined) return;
    sellerGone ||= SELLER_GONE.has(describe(error).code);
    session.changed();
    showError(error, sellerGone ? { label: "Leave alone", run: leave } : { label: "Try again", run: close });
  };
  closeButton.addEventListener("click", () => void close());
  leaveButton.addEventListener("click", () => void leave());
  againButton.addEventListener("click", () => location.reload());
}

/** Ends the channel by `step` and shows the settlement. @returns what went wrong, if anything */
async function finish(
  session: Session,
  phase: "closing" | "leaving",
  step: () => Promise<CloseResult>,
): Promise<unknown> {
  clearError();
  session.enter(phase);
  try {
    await settle(session, await step());
    return undefined;
  } catch (error) {
    // The wallet goes on by itself: the channel may end without another click.
    session.wallet?.on("closed", (result) => void settle(session, result).catch(showError));
    const { funded, channel } = session;
    if (funded?.status !== "closed") session.enter(isOpen(funded) && isOpen(channel) ? "open" : "stuck");
    say("The channel is not closed.");
    return error;
  }
}

const isOpen = (channel: Channel | undefined): boolean => channel === undefined || channel.status === "open";

/** What each side got in the end, in wei. */
interface Settlement {
  /** To the seller. */
  readonly paid: bigint;
  readonly refunded: bigint;
  /** To the hub. */
  readonly fee: bigint;
  /** Why the seller has its money in a ledger and not in its account. */
  readonly unsettled?: string | undefined;
}

/** Shows how the channel ended, once. */
async function settle(session: Session, { paid: out, refunded }: CloseResult): Promise<void> {
  if (session.phase === "closed") return;
  session.enter("closed");
  clearError();
  const { config, channel, step } = session;
  if (config.hub === undefined) await show(session, { paid: out, refunded, fee: 0n });
  else {
    step?.(2);
    // What was paid out of the ledger is the hub's: it has passed on what the channel paid.
    const paid = channel?.paid ?? 0n;
    say("The hub closes its ledger with the seller as well.");
    const unsettled = await settleBehind();
    if (unsettled === undefined) step?.(3);
    else step?.(2, `not yet: ${unsettled}`);
    await show(session, { paid, refunded, fee: out - paid, unsettled });
  }
  await session.wallet?.stop();
}

async function show(session: Session, settlement: Settlement): Promise<void> {
  const { paid, refunded, fee } = settlement;
  const hub = session.config.hub === undefined ? "" : `, ${amount(fee)} to the hub`;
  say(`Closed: ${amount(paid)} went to the seller${hub}, ${amount(refunded)} came back.`);
  await showSettlement(session, settlement);
}

async function closeTogether(session: Session): Promise<CloseResult> {
  const { channel, funded, config } = session;
  if (!funded) throw new Error("no channel is open");
  const signal = AbortSignal.timeout(CLOSE_TIMEOUT);
  if (config.hub === undefined) {
    say("Closing: both sides sign the final state, then one transaction.");
    return funded.close({ signal });
  }
  session.step = stepsOf(byId("close-steps"), CLOSE_STEPS);
  session.step(0);
  say("Closing: buyer, hub and seller sign the final state. The chain does not see it.");
  if (channel && channel.status !== "closed") await channel.close({ signal });
  session.step(1);
  say("The channel is closed. Its ledger is closed with one transaction.");
  return funded.close({ signal });
}

async function leaveAlone(session: Session): Promise<CloseResult> {
  const { funded } = session;
  if (!funded) throw new Error("no channel is open");
  session.step = undefined;
  byId("close-steps").replaceChildren();
  say("Leaving alone: a challenge goes to the chain.");
  const clock = new Countdown(session);
  try {
    return await funded.leave({ onProgress: (progress) => clock.show(progress) });
  } finally {
    clock.stop();
  }
}

/** Shows how long the seller still has to answer, by the chain's clock. */
class Countdown {
  readonly #session: Session;
  #finalizesAt: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  show({ step, finalizesAt }: LeaveProgress): void {
    if (finalizesAt !== undefined) this.#finalizesAt = finalizesAt;
    if (step === "challenged" && this.#timer === undefined) {
      say("The challenge is on the chain. The seller may answer it with a better voucher until the time is over.");
      this.#timer = setInterval(() => void this.#tick(), 1000);
      void this.#tick();
      void countTransactions(this.#session).catch(() => {});
    }
    if (step === "transferring") say("The time is over: the channel is being paid out.");
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    countdown.hidden = true;
  }

  async #tick(): Promise<void> {
    const { view, funded } = this.#session;
    const finalizesAt = funded?.info.dispute?.finalizesAt ?? this.#finalizesAt;
    const time = await view.time().catch(() => undefined);
    if (time === undefined || finalizesAt === undefined || this.#timer === undefined) return;
    const left = Math.max(0, finalizesAt - time);
    countdown.hidden = false;
    countdown.textContent =
      left > 0
        ? `${count(left, "second")} left to answer the challenge`
        : "The time is over: whoever's state stands on the chain has ten minutes to pay out, then the other side does.";
    countdown.dataset["seconds"] = String(left);
  }
}

// ---- settlement -----------------------------------------------------------------------------------------------------

async function showSettlement(session: Session, { paid, refunded, fee, unsettled }: Settlement): Promise<void> {
  const { config, view, payments, balancesBefore } = session;
  if (!balancesBefore) return;
  const transactions = await view.transactions(config.contracts.adjudicator, onChain(session));
  const after = await session.balances();
  figure("figure-transactions", integer(transactions.length), transactions.length);
  const sum = byId("sum");
  sum.textContent = `On-chain transactions ${integer(transactions.length)}, payments ${integer(payments.length)}`;
  sum.dataset["paid"] = String(paid);
  sum.dataset["refunded"] = String(refunded);
  sum.dataset["hubFee"] = String(fee);
  listTransactions(session, transactions);
  const before = { ...balancesBefore, ...(await hubBefore(session, transactions)) };
  listBalances(before, after);
  const gas = transactions.reduce((total, { gasUsed }) => total + gasUsed, 0n);
  const each = payments.length > 0 ? ` All in all ${integer(gas / BigInt(payments.length))} gas for each payment.` : "";
  // What is gone beyond the payment; a transaction that reverted has no log, but cost gas too.
  const inAccount = unsettled === undefined ? paid : 0n;
  const fees = {
    buyer: before.buyer - after.buyer - paid - fee,
    seller: before.seller - after.seller + inAccount,
  };
  const note = byId("balance-note");
  note.textContent =
    `The seller was paid ${amount(paid)}, ${amount(refunded)} came back. Gas cost the buyer ${amount(fees.buyer)}, ` +
    `the seller ${amount(fees.seller)}${hubWords(before, after, fee, unsettled)}.${each}`;
  note.dataset["fees"] = String(fees.buyer);
  byId("settlement").hidden = false;
}

/** What the hub had before its ledger with the seller was opened: that was before this page. */
async function hubBefore({ config, view, hub }: Session, transactions: readonly ChainTransaction[]) {
  const { hub: account } = config.accounts;
  const first = transactions.find(({ channelId }) => channelId === hub?.ledger);
  return account && first ? { hub: await view.balance(account, first.block - 1) } : {};
}

function hubWords(before: Balances, after: Balances, fee: bigint, unsettled: string | undefined): string {
  if (before.hub === undefined || after.hub === undefined) return "";
  if (unsettled !== undefined)
    return ". The hub took its fee and has its money, and the seller's, still in their ledger";
  return `, the hub ${amount(before.hub - after.hub + fee)}, which took ${amount(fee)} for the channel`;
}

function listTransactions(session: Session, transactions: readonly ChainTransaction[]): void {
  const { account, config } = session;
  const { seller, hub } = config.accounts;
  const who = (from: string) => (from === account ? "buyer" : from === seller ? "seller" : from === hub ? "hub" : from);
  const rows = transactions.flatMap(({ hash, channelId, call, from, block, gasUsed }) => {
    const name = config.hub === undefined ? "" : `${nameOf(session, channelId)}. `;
    return [
      make(
        "tr",
        { "data-hash": hash },
        make("th", { scope: "row" }, ...breakable(call)),
        make("td", {}, who(from)),
        make("td", { "data-value": String(block) }, integer(block)),
        make("td", { "data-value": String(gasUsed) }, integer(gasUsed)),
      ),
      make("tr", { class: "hash" }, make("td", { colspan: "4" }, name, make("code", {}, hash))),
    ];
  });
  byId("transactions", HTMLTableElement).tBodies[0]?.replaceChildren(...rows);
}

/** A name like "transferAllAssets" that may be broken before its capitals. */
function breakable(name: string): (Node | string)[] {
  return name.split(/(?=[A-Z])/).flatMap((word, at) => (at === 0 ? [word] : [make("wbr"), word]));
}

function listBalances(before: Balances, after: Balances): void {
  const value = (wei: bigint, sign = "") => make("td", { "data-value": String(wei) }, `${sign}${ether(wei)}`);
  const names = { buyer: "Buyer", hub: "Hub", seller: "Seller" };
  const rows = (["buyer", "hub", "seller"] as const).flatMap((side) => {
    const [had, has] = [before[side], after[side]];
    if (had === undefined || has === undefined) return [];
    const change = has - had;
    return [
      make(
        "tr",
        { "data-side": side },
        make("th", { scope: "row" }, names[side]),
        value(change, change > 0n ? "+" : ""),
        value(had),
        value(has),
      ),
    ];
  });
  byId("balances", HTMLTableElement).tBodies[0]?.replaceChildren(...rows);
}
