// The way through a hub: a ledger with it, which the deposit opens, and a channel through it to a seller who is not on chain with us.

import { MillstreamError, type Hex } from "millstream";

import { loadConfig } from "./config.js";
import { byId, figure, make } from "./dom.js";
import { amount, integer, milliseconds, short } from "./format.js";
import type { Session } from "./session.js";

/** Where a wallet that can be called says its terms. */
const WALLET_PATH = "/.well-known/millstream";

/** What the hub says about itself. */
export interface HubSays {
  /** What a channel costs, in wei. */
  readonly fee: bigint;
  /** Its ledger with the seller of this page. */
  readonly ledger: Hex;
  /** About how much can go from it to the seller, in wei. */
  readonly most: bigint;
}

interface HubAnswer {
  hub: { fee: string; links: { url: string; ledger: Hex; send: string }[] };
}

/** Asks the hub. @throws {MillstreamError} PEER_UNREACHABLE, ROUTE_UNKNOWN */
export async function askHub(url: string): Promise<HubSays> {
  let said: HubAnswer;
  try {
    const response = await fetch(new URL(WALLET_PATH, url), { cache: "no-store" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    said = (await response.json()) as HubAnswer;
  } catch (cause) {
    throw new MillstreamError("PEER_UNREACHABLE", "the hub does not answer", { cause });
  }
  const { fee, links } = said.hub;
  const link = links.find((one) => new URL(one.url).origin === location.origin);
  if (!link) throw new MillstreamError("ROUTE_UNKNOWN", "the hub has no ledger with the seller now");
  return { fee: BigInt(fee), ledger: link.ledger, most: BigInt(link.send) };
}

/** `fetch`, counting what goes to the hub. */
export function countingHub(session: Session): typeof fetch {
  return (input, options) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (options?.method === "POST" && session.config.hub !== undefined && url.href.startsWith(session.config.hub)) {
      session.hubMessages += 1;
      session.changed();
    }
    return fetch(input, options);
  };
}

/** The words of the page that are others with a hub, and its figures. */
export function showHub(session: Session): void {
  const { config } = session;
  if (config.hub === undefined) return;
  for (const element of document.querySelectorAll<HTMLElement>("[data-via=hub]")) element.hidden = false;
  for (const element of document.querySelectorAll<HTMLElement>("[data-via=none]")) element.hidden = true;
  session.watch(() => {
    const { ledger, channel, hubMessages } = session;
    figure("figure-hub-messages", integer(hubMessages), hubMessages);
    if (session.hub) figure("figure-fee", amount(session.hub.fee), session.hub.fee);
    if (ledger) figure("ledger-id", short(ledger.id), ledger.id);
    if (channel) figure("figure-set-aside", amount(channel.deposit), channel.deposit);
  });
  offerSwitch();
}

/** Switches the hub's server off and on. What is paid does not go there. */
function offerSwitch(): void {
  const button = byId("attempt-hub", HTMLButtonElement);
  const words = byId("answer-hub");
  button.addEventListener("click", () => {
    void (async () => {
      const open = button.getAttribute("aria-pressed") === "true";
      await fetch("/demo/hub", { method: "POST", body: open ? "open" : "closed" });
      button.setAttribute("aria-pressed", String(!open));
      button.textContent = open ? "Switch the hub off" : "Switch the hub on";
      words.textContent = open
        ? "The hub answers again."
        : "The hub's server now cuts every connection. Payments go on: they do not go there. Closing together needs it.";
    })();
  });
}

/** Opens the channel to the seller, over as much of the ledger as the hub can carry. */
export async function openThroughHub(session: Session): Promise<void> {
  const { wallet, ledger, config } = session;
  if (!wallet || !ledger || config.hub === undefined) throw new Error("no ledger is open");
  await loadConfig(); // the server sees to it that the hub has a ledger with the seller
  const hub = await askHub(config.hub);
  session.hub = hub;
  const ours = ledger.info.balances.payer - hub.fee;
  session.channel = await wallet.openChannel({
    seller: new URL(config.item.path, location.href),
    via: config.hub,
    deposit: ours < hub.most ? ours : hub.most,
  });
}

/** Has the hub close its ledger with the seller too. @returns why it does not, in words; `undefined` if it did */
export async function settleBehind(): Promise<string | undefined> {
  try {
    const response = await fetch("/demo/settle", { method: "POST" });
    if (response.ok) return undefined;
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    return `${error.message} (${error.code})`;
  } catch {
    return "the server that this page comes from does not answer";
  }
}

/** Marks the steps before one as done. @param why the others are not taken */
export type Step = (at: number, why?: string) => void;

/** A list of steps, each with the time since the first was begun. */
export function stepsOf(list: HTMLElement, steps: readonly string[]): Step {
  const start = performance.now();
  const rows = steps.map((text) => {
    const [note, time] = [make("code"), make("time")];
    return { row: make("li", {}, make("span", {}, text, note), time), note, time };
  });
  list.replaceChildren(...rows.map(({ row }) => row));
  return (at, why) => {
    for (const [index, { row, time, note }] of rows.entries()) {
      row.dataset["state"] = index < at ? "done" : index === at && why === undefined ? "now" : "next";
      if (index === at - 1) time.textContent ||= `+${milliseconds(performance.now() - start)}`;
      if (index === at && why !== undefined) note.textContent = why;
    }
  };
}

/** What the chain may have about what this page opened: the channel, or its ledgers with it. */
export function onChain({ channel, ledger, hub }: Session): Hex[] {
  return [ledger?.id, hub?.ledger, channel?.id].filter((id) => id !== undefined);
}

/** Whose money a ledger or a channel is about. */
export function nameOf({ ledger, hub }: Session, channelId: Hex): string {
  if (channelId === ledger?.id) return "Ledger buyer–hub";
  return channelId === hub?.ledger ? "Ledger hub–seller" : "Channel buyer–seller";
}
