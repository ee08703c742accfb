// Switches for the sceptical: attempts to get a chunk without paying for it. Each shows the seller's own answer.

import { MillstreamError, decodePayment } from "millstream";

import { byId, enable, make } from "./dom.js";
import { sentence, showError } from "./errors.js";
import { amount, count } from "./format.js";
import type { Session } from "./session.js";

/** What the seller said. */
interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The terms that came with a 402, in x402's shape. */
  readonly terms: { amount: string; extra: { chunks: number } } | undefined;
}

const shop = byId("attempt-shop", HTMLButtonElement);

export function offerAttempts(session: Session): void {
  const { price } = session.config.item;
  attempt(session, "skip", 0, async () => {
    const answer = await ask(session, undefined);
    const asked = answer.terms ? BigInt(answer.terms.amount) : price;
    return [answer, `It asks ${amount(asked)} for the chunk.`];
  });
  attempt(session, "replay", 2, async () => [await ask(session, session.payments[0]?.voucher), ""]);
  attempt(session, "forge", 1, async () => {
    const last = session.payments.at(-1);
    return [await ask(session, last && forge(last.voucher)), ""];
  });
  shop.addEventListener("click", () => void switchShop().catch((error: unknown) => showError(error)));
}

/** Wires one button; it can be used when at least `needed` payments were made on an open channel. */
function attempt(session: Session, name: string, needed: number, run: () => Promise<[Answer, string]>): void {
  const button = byId(`attempt-${name}`, HTMLButtonElement);
  const output = byId(`answer-${name}`);
  let busy = false;
  session.watch(() => {
    const open = session.phase === "open" || session.phase === "downloading";
    enable(button, needed === 0 || (open && !busy && session.payments.length >= needed));
  });
  button.addEventListener("click", () => {
    void (async () => {
      busy = true;
      const before = session.channel?.paid;
      try {
        const [answer, more] = await run();
        show(output, answer, more, before === undefined ? undefined : (session.channel?.paid ?? 0n) - before);
      } catch (cause) {
        output.textContent = "The seller does not answer.";
        delete output.dataset["refused"];
        showError(new MillstreamError("SELLER_UNREACHABLE", "the seller does not answer", { cause }));
      }
      busy = false;
      session.changed();
    })();
  });
}

function show(output: HTMLElement, { status, code, message }: Answer, more: string, spent: bigint | undefined): void {
  const refused = status >= 400;
  const unchanged =
    spent === undefined || spent === 0n ? "Nothing was charged." : `${amount(spent)} were spent meanwhile.`;
  output.replaceChildren(
    make("strong", {}, `${status} ${code}`),
    ` ${sentence(message)} ${more} ${unchanged}`.replaceAll(/ +/g, " "),
  );
  output.dataset["status"] = String(status);
  output.dataset["code"] = code;
  if (refused) output.dataset["refused"] = "";
  else delete output.dataset["refused"];
}

/** Asks for the first chunk that is missing, or for the first one of all, with or without a payment. */
async function ask({ config, chunks }: Session, payment: Uint8Array | undefined): Promise<Answer> {
  const { path, chunkSize, length } = config.item;
  const index = Math.max(0, chunks.indexOf(undefined));
  const last = Math.min(length, (index + 1) * chunkSize) - 1;
  const response = await fetch(path, {
    cache: "no-store",
    headers: {
      range: `bytes=${index * chunkSize}-${last}`,
      ...(payment && { payment: base64Url(payment) }),
    },
  });
  if (response.ok) {
    const received = (await response.arrayBuffer()).byteLength;
    return { status: response.status, code: "SERVED", message: `${count(received, "byte")} came`, terms: undefined };
  }
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, ...error, terms: offered(response.headers.get("payment-required")) };
}

function offered(header: string | null): Answer["terms"] {
  if (header === null) return undefined;
  const { accepts } = JSON.parse(atob(header)) as { accepts: NonNullable<Answer["terms"]>[] };
  return accepts[0];
}

/** The payment with one byte changed, so that it claims to be the next one: the byte is found by trying. */
function forge(payment: Uint8Array): Uint8Array {
  const { serial } = decodePayment(payment);
  for (const at of payment.keys()) {
    const forged = payment.slice();
    forged[at] = ((forged[at] ?? 0) + 1) & 0xff;
    try {
      if (decodePayment(forged).serial === serial + 1) return forged;
    } catch {
      // this byte is not part of a number
    }
  }
  const forged = payment.slice();
  forged[forged.length - 2] = (forged.at(-2) ?? 0) ^ 1; // the serial's last byte is 255: spoil the signature instead
  return forged;
}

function base64Url(data: Uint8Array): string {
  return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}

/** Switches the seller's web server off and on; its wallet keeps watching the chain either way. */
async function switchShop(): Promise<void> {
  const open = shop.getAttribute("aria-pressed") === "true";
  const body = open ? "open" : "closed";
  await fetch("/demo/shop", { method: "POST", body }).catch((cause: unknown) => {
    throw new MillstreamError("DEMO_UNREACHABLE", "the server that this page comes from does not answer", { cause });
  });
  shop.setAttribute("aria-pressed", String(!open));
  shop.textContent = open ? "Switch the seller off" : "Switch the seller on";
  byId("answer-shop").textContent = open
    ? "The seller answers again."
    : "The seller's web server now cuts every connection. Its wallet still watches the chain.";
}
