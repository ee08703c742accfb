// Step 1: a deposit opens a channel to the seller, or a ledger with a hub and a channel through it.

import { MillstreamError, Wallet, isMillstreamError, type Channel, type OpenProgress, type OpenStep } from "millstream";

import { checkFunds, connect, remedyFor } from "./connection.js";
import { chunksOf, totalOf } from "./config.js";
import { byId, enable, make, say } from "./dom.js";
import { clearError, describe, mentionError, sentence, showError } from "./errors.js";
import { amount, count, ether, milliseconds, parseEther } from "./format.js";
import { askHub, countingHub, openThroughHub } from "./hub.js";
import { countTransactions } from "./meter.js";
import type { Session } from "./session.js";

const STEPS: typeof STEPS_VIA_HUB = [
  ["proposed", "Terms proposed"],
  ["accepted", "Accepted: the seller signed that the deposit can come back"],
  ["depositing", "Deposit sent to the chain"],
  ["confirming", "Deposit mined, waiting for blocks on top of it"],
  ["open", "Open: both sides signed that payments may begin"],
];

/** With a hub the deposit goes into a ledger; the channel to the seller comes out of it without the chain. */
const STEPS_VIA_HUB: readonly (readonly [OpenStep | "funded", string])[] = [
  ["proposed", "Ledger with the hub proposed"],
  ["accepted", "Accepted: the hub signed that the deposit can come back"],
  ["depositing", "Deposit sent to the chain"],
  ["confirming", "Deposit mined, waiting for blocks on top of it"],
  ["funded", "Ledger open; channel to the seller proposed through the hub"],
  ["open", "Open: the seller signed as well, without a transaction"],
];

const form = byId("fund-form", HTMLFormElement);
const field = byId("deposit", HTMLInputElement);
const button = byId("open", HTMLButtonElement);

export function offerFunding(session: Session): void {
  const { item } = session.config;
  const total = totalOf(item);
  const spare = total / 4n > item.price ? total / 4n : item.price;
  field.value = ether(total + spare);
  const hint = (fee: string) => {
    byId("deposit-hint").textContent =
      `The whole file costs ${amount(total)}: ${count(chunksOf(item), "chunk")} of ${amount(item.price)}. ${fee}` +
      "What is not spent comes back.";
  };
  hint("");
  if (session.config.hub !== undefined)
    askHub(session.config.hub).then((hub) => {
      session.hub = hub;
      session.changed();
      hint(`The hub takes ${amount(hub.fee)} for a channel. `);
    }, showError);
  field.addEventListener("input", () => field.removeAttribute("aria-invalid"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (session.phase === "start" || session.phase === "funded") void fund(session);
  });
  session.watch(() => {
    enable(button, session.phase === "start" || session.phase === "funded", byId("start", HTMLButtonElement));
    field.disabled = session.phase !== "start";
    byId("key-note").hidden = !hasKeyAtStake(session);
  });
  window.addEventListener("beforeunload", (event) => {
    if (hasKeyAtStake(session)) event.preventDefault();
  });
}

/** Whether closing the tab now would lose the key of a channel that holds money, or may soon. */
function hasKeyAtStake({ phase, funded }: Session): boolean {
  return phase === "opening" || (funded !== undefined && phase !== "closed");
}

function readDeposit({ config, hub }: Session): bigint {
  const fee = hub?.fee ?? 0n;
  const deposit = parseEther(field.value);
  if (deposit !== undefined && deposit >= config.item.price + fee) return deposit;
  field.setAttribute("aria-invalid", "true");
  field.focus();
  throw new MillstreamError(
    "DEPOSIT_INVALID",
    deposit === undefined
      ? `"${field.value}" is not an amount of ether`
      : `a deposit of ${amount(deposit)} does not pay for one chunk, which costs ${amount(config.item.price)}` +
          (fee > 0n ? `, and the hub's fee of ${amount(fee)}` : ""),
  );
}

async function fund(session: Session): Promise<void> {
  clearError();
  const isViaHub = session.config.hub !== undefined;
  try {
    const steps = session.funded ? showSteps(isViaHub) : await deposit(session);
    if (isViaHub) {
      session.enter("opening");
      steps.reach("funded");
      await openThroughHub(session);
      steps.reach("open");
    }
    await opened(session);
  } catch (error) {
    const stays = keptChannel(session, error);
    if (stays) {
      session.late = stays.id;
      if (isViaHub) session.ledger = stays;
      else session.channel = stays;
      say("The deposit may be on its way: the channel opens by itself once it is confirmed.");
      showError(error, { label: "Send it again", run: () => stays.resume() });
      return;
    }
    session.enter(session.funded ? "funded" : "start");
    say(session.funded ? "The ledger with the hub is open, no channel is." : "No channel is open.");
    showError(
      error,
      remedyFor(describe(error).code, session, () => fund(session)),
    );
  }
}

/** Opens what the deposit goes into. */
async function deposit(session: Session): Promise<ReturnType<typeof showSteps>> {
  const { config } = session;
  const terms = { deposit: readDeposit(session) };
  session.enter("opening");
  const wallet = await openWallet(session);
  session.account = await wallet.chain.account();
  await checkFunds(session, session.account, terms.deposit);
  session.balancesBefore = await session.balances();
  const steps = showSteps(config.hub !== undefined);
  const onProgress = (step: OpenStep, info: OpenProgress) => {
    if (config.hub === undefined || step !== "open") steps.reach(step, info);
  };
  if (config.hub === undefined) {
    const seller = new URL(config.item.path, location.href);
    session.channel = await wallet.openChannel({ ...terms, seller, onProgress });
  } else session.ledger = await wallet.openChannel({ ...terms, seller: config.hub, kind: "ledger", onProgress });
  return steps;
}

async function opened(session: Session): Promise<void> {
  session.enter("open");
  say("The channel is open. Nothing is paid yet.");
  await countTransactions(session);
}

/** After a failure: the channel whose deposit may be under way, so that its key has to be kept. */
function keptChannel({ wallet }: Session, error: unknown): Channel | undefined {
  if (!isMillstreamError(error) || error.details.aborted !== false || !error.details.channelId) return undefined;
  return wallet?.channel(error.details.channelId);
}

/** The wallet on the chosen account. Another choice makes another wallet; there is no channel yet that this could lose. */
async function openWallet(session: Session): Promise<Wallet> {
  const chain = connect(session);
  if (session.wallet?.chain === chain) return session.wallet;
  await session.wallet?.stop();
  const wallet = await Wallet.open({
    chain,
    pollInterval: 500,
    ...(session.config.hub !== undefined && { fetch: countingHub(session) }),
    // The demo's seller asks for a short challenge, so that a visitor can watch one end.
    policy: { minChallengeDuration: session.config.challengeDuration },
  });
  wallet.on("error", ({ error }) => {
    // Whoever waits for something is told why it failed; until then the wallet goes on trying.
    if (session.phase === "open" || session.phase === "downloading") mentionError(error);
    else say(sentence(error.message));
  });
  wallet.on("status", ({ channelId, status }) => {
    // What was given up waiting for: the deposit has arrived after all.
    if (status === "open" && session.phase === "opening" && session.late === channelId)
      void (session.channel ? opened(session) : fund(session)).catch(showError);
    session.changed();
  });
  wallet.on("payment", ({ serial, ticks, amount: paid }) => session.amounts.set(`${serial}.${ticks}`, paid));
  wallet.on("transaction", () => void countTransactions(session).catch(() => {})); // a figure that can wait
  session.wallet = wallet;
  return wallet;
}

/** The list of steps, each with the time since the button was pressed. */
function showSteps(isViaHub: boolean) {
  const list = byId("fund-steps");
  const start = performance.now();
  const rows = (isViaHub ? STEPS_VIA_HUB : STEPS).map(([step, text]) => {
    const note = make("code");
    const words = make("span", {}, text);
    const time = make("time");
    return {
      step,
      note,
      words,
      time,
      text,
      row: make("li", { "data-step": step }, make("span", {}, words, note), time),
    };
  });
  list.replaceChildren(...rows.map(({ row }) => row));

  return {
    reach(step: OpenStep | "funded", info?: OpenProgress) {
      const at = rows.findIndex((row) => row.step === step);
      for (const [index, { row }] of rows.entries())
        row.dataset["state"] = index < at || step === "open" ? "done" : index === at ? "now" : "next";
      const reached = rows[at];
      if (!reached) return;
      reached.time.textContent ||= `+${milliseconds(performance.now() - start)}`;
      if (info?.transactionHash) {
        const deposit = rows.find((row) => row.step === "depositing");
        if (deposit) deposit.note.textContent = info.transactionHash;
      }
      if (info?.needed !== undefined)
        reached.words.textContent = `${reached.text}: ${info.confirmations ?? 0} of ${info.needed}`;
      say(`${reached.words.textContent ?? ""}.`);
    },
  };
}
