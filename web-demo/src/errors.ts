// One panel for every error: what went wrong, the code, and what to do next.

import { isMillstreamError } from "millstream";

import { byId } from "./dom.js";

/** What a visitor can do about an error, by its code. What is not here speaks for itself in its message. */
const ADVICE: Record<string, string> = {
  CHAIN_UNREACHABLE: "Nothing is lost. Check that the demo still runs in its terminal, then try again.",
  CONTENT_CHUNK_MISMATCH: "At most this one chunk was paid for. Close the channel to get the rest of the deposit back.",
  CONTENT_MANIFEST_MISMATCH: "Nothing was paid for it. Close the channel to get the deposit back.",
  CHALLENGE_RUNNING: "Wait for the countdown to end: the channel is then paid out by itself.",
  DEMO_UNREACHABLE: "Start the demo again with npm run demo and reload this page.",
  DEPOSIT_INVALID: "Type a number such as 0.001.",
  INSUFFICIENT_BALANCE: "The deposit is used up. Close the channel, then start again with a larger deposit.",
  POLICY_DEPOSIT: "Type a larger deposit.",
  SELLER_UNREACHABLE:
    "Nothing is lost: what was paid stays paid and is served again. Try again, or leave alone with the channel's last state.",
  TRANSACTION_REJECTED: "Nothing was sent. Press the button again when you are ready to confirm it in your wallet.",
  TRANSACTION_REFUSED: "Check that the account has enough ether for the deposit and the gas, then try again.",
  TRANSACTION_REVERTED: "Nothing moved. Look the transaction up on the chain, then try again.",
  WRONG_CHAIN: "Switch your wallet to the development chain, then try again.",
};

/** Something that the panel offers to do. */
export interface Remedy {
  readonly label: string;
  run(): void | Promise<void>;
}

const panel = byId("error");
const action = byId("error-action", HTMLButtonElement);
let remedy: Remedy | undefined;
let before: Element | null = null;

/** Shows an error that nobody waits for, unless there is one already that somebody has to act on. */
export function mentionError(error: unknown): void {
  if (panel.hidden) showError(error);
}

/** Shows `error`. One at a time: a newer one replaces it. */
export function showError(error: unknown, offered?: Remedy): void {
  const { code, message } = describe(error);
  before ??= document.activeElement;
  byId("error-title").textContent = code;
  byId("error-text").textContent = sentence(message);
  byId("error-next").textContent = ADVICE[code] ?? "";
  panel.dataset["code"] = code;
  remedy = offered;
  action.hidden = !offered;
  action.textContent = offered?.label ?? "";
  panel.hidden = false;
}

/** Takes the panel away, for instance when the visitor tries again. */
export function clearError(): void {
  if (panel.hidden) return;
  const inside = panel.contains(document.activeElement);
  panel.hidden = true;
  delete panel.dataset["code"];
  if (inside && before instanceof HTMLElement) before.focus({ preventScroll: true });
  before = null;
}

/** Code and words of anything that was thrown. */
export function describe(error: unknown): { code: string; message: string } {
  if (isMillstreamError(error)) return { code: error.code, message: error.message };
  return { code: "UNEXPECTED", message: error instanceof Error ? error.message : String(error) };
}

/** The core's messages are in lower case and without a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}

byId("error-dismiss", HTMLButtonElement).addEventListener("click", clearError);
action.addEventListener("click", () => {
  const chosen = remedy;
  clearError();
  Promise.resolve(chosen?.run()).catch((error: unknown) => showError(error));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") clearError();
});
window.addEventListener("unhandledrejection", (event) => showError(event.reason));
window.addEventListener("error", (event) => showError(event.error ?? event.message));
