// Step 3: closing together with one transaction, or alone when the seller does not answer; then what the chain saw.

import type { CloseResult, LeaveProgress } from "millstream";

import type { ChainTransaction } from "./chain-view.js";
import { byId, enable, figure, make, say } from "./dom.js";
import { clearError, describe, showError } from "./errors.js";
import { amount, count, ether, integer } from "./format.js";
import { countTransactions } from "./meter.js";
import type { Balances, Session } from "./session.js";

const closeButton = byId("close-button", HTMLButtonElement);
const leaveButton = byId("leave-button", HTMLButtonElement);
const againButton = byId("again-button", HTMLButtonElement);
const countdown = byId("countdown");

/** Errors after which the seller cannot be counted on. */
const SELLER_GONE = new Set(["SELLER_UNREACHABLE", "SELLER_REFUSED", "SELLER_ANSWER_MALFORMED", "ABORTED"]);
/** How long to wait for the close together, in milliseconds. */
const CLOSE_TIMEOUT = 90_000;

export function offerClosing(session: Session): void {
  let sellerGone = false;
  session.watch(() => {
    const { phase } = session;
    againButton.hidden = phase !== "closed";
    leaveButton.hidden = !(sellerGone && (phase === "open" || phase === "stuck" || phase === "leaving"));
    enable(leaveButton, phase !== "leaving");
    enable(closeButton, phase === "open" || phase === "stuck", againButton);
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
    if (session.channel?.status !== "closed") session.enter(session.channel?.status === "open" ? "open" : "stuck");
    say("The channel is not closed.");
    return error;
  }
}

/** Shows how the channel ended, once. */
async function settle(session: Session, result: CloseResult): Promise<void> {
  if (session.phase === "closed") return;
  session.enter("closed");
  clearError();
  say(`Closed: ${amount(result.paid)} went to the seller, ${amount(result.refunded)} came back.`);
  await showSettlement(session, result);
  await session.wallet?.stop();
}

async function closeTogether({ channel }: Session): Promise<CloseResult> {
  if (!channel) throw new Error("no channel is open");
  say("Closing: both sides sign the final state, then one transaction.");
  return channel.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT) });
}

async function leaveAlone(session: Session): Promise<CloseResult> {
  const { channel } = session;
  if (!channel) throw new Error("no channel is open");
  say("Leaving alone: a challenge goes to the chain.");
  const clock = new Countdown(session);
  try {
    return await channel.leave({ onProgress: (progress) => clock.show(progress) });
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
    const { view, channel } = this.#session;
    const finalizesAt = channel?.info.dispute?.finalizesAt ?? this.#finalizesAt;
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

async function showSettlement(session: Session, { paid, refunded }: CloseResult): Promise<void> {
  const { channel, config, view, payments, balancesBefore } = session;
  if (!channel || !balancesBefore) return;
  const transactions = await view.transactions(config.contracts.adjudicator, channel.id);
  const after = await session.balances();
  figure("figure-transactions", integer(transactions.length), transactions.length);
  const sum = byId("sum");
  sum.textContent = `On-chain transactions ${integer(transactions.length)}, payments ${integer(payments.length)}`;
  sum.dataset["paid"] = String(paid);
  sum.dataset["refunded"] = String(refunded);
  listTransactions(session, transactions);
  listBalances(balancesBefore, after);
  const gas = transactions.reduce((total, { gasUsed }) => total + gasUsed, 0n);
  const each = payments.length > 0 ? ` All in all ${integer(gas / BigInt(payments.length))} gas for each payment.` : "";
  // What is gone beyond the payment; a transaction that reverted has no log, but cost gas too.
  const fees = {
    buyer: balancesBefore.buyer - after.buyer - paid,
    seller: balancesBefore.seller - after.seller + paid,
  };
  const note = byId("balance-note");
  note.textContent =
    `The seller was paid ${amount(paid)}, ${amount(refunded)} came back. Gas cost the buyer ${amount(fees.buyer)}, ` +
    `the seller ${amount(fees.seller)}.${each}`;
  note.dataset["fees"] = String(fees.buyer);
  byId("settlement").hidden = false;
}

function listTransactions({ account, config }: Session, transactions: readonly ChainTransaction[]): void {
  const who = (from: string) => (from === account ? "buyer" : from === config.accounts.seller ? "seller" : from);
  const rows = transactions.flatMap(({ hash, call, from, block, gasUsed }) => [
    make(
      "tr",
      { "data-hash": hash },
      make("th", { scope: "row" }, ...breakable(call)),
      make("td", {}, who(from)),
      make("td", { "data-value": String(block) }, integer(block)),
      make("td", { "data-value": String(gasUsed) }, integer(gasUsed)),
    ),
    make("tr", { class: "hash" }, make("td", { colspan: "4" }, make("code", {}, hash))),
  ]);
  byId("transactions", HTMLTableElement).tBodies[0]?.replaceChildren(...rows);
}

/** A name like "transferAllAssets" that may be broken before its capitals. */
function breakable(name: string): (Node | string)[] {
  return name.split(/(?=[A-Z])/).flatMap((word, at) => (at === 0 ? [word] : [make("wbr"), word]));
}

function listBalances(before: Balances, after: Balances): void {
  const value = (wei: bigint, sign = "") => make("td", { "data-value": String(wei) }, `${sign}${ether(wei)}`);
  const rows = (["buyer", "seller"] as const).map((side) => {
    const change = after[side] - before[side];
    const name = side === "buyer" ? "Buyer" : "Seller";
    return make(
      "tr",
      { "data-side": side },
      make("th", { scope: "row" }, name),
      value(change, change > 0n ? "+" : ""),
      value(before[side]),
      value(after[side]),
    );
  });
  byId("balances", HTMLTableElement).tBodies[0]?.replaceChildren(...rows);
}
