// Which channel pays for an offer; where there is none and hubs lead to the seller, one through them is opened.

import type { Channel } from "./channel.js";
import { MillstreamError } from "./errors.js";
import type { Offer } from "./offer.js";
import { isOver } from "./parts.js";
import { withSignal } from "./waits.js";
import type { Wallet } from "./wallet.js";

/** What its caller says about it. */
export interface ChoiceOptions {
  channel?: Channel | undefined;
  stallTimeout?: number | undefined;
}

/** The channel that pays for an offer. One that waits for its seller's word after a restart is waited for. */
export async function chooseChannel(
  wallet: Wallet,
  offer: Offer,
  { channel: given, stallTimeout = 30_000 }: ChoiceOptions,
  signal: AbortSignal,
): Promise<Channel> {
  const isWith = ({ info }: Channel) =>
    info.role === "payer" && info.peer === offer.payee && info.asset === offer.asset;
  const fits = (channel: Channel) => isWith(channel) && channel.status === "open";
  const candidates = given ? [given] : wallet.channels();
  const waiting = candidates.filter((channel) => isWith(channel) && channel.status === "disconnected");
  if (waiting.length > 0 && !candidates.some(fits)) await reconnected(wallet, waiting, stallTimeout, signal);
  if (given) {
    if (fits(given)) return given;
    const { status, peer, asset } = given.info;
    throw new MillstreamError(
      "CHANNEL_REQUIRED",
      `channel ${given.id} cannot pay for ${offer.url}: it is ${status}, with ${peer}, in ${asset}; needed is an open ` +
        `one with ${offer.payee} in ${offer.asset}`,
      { details: { channelId: given.id } },
    );
  }
  const [best] = wallet
    .channels()
    .filter(fits)
    .sort((a, b) => (a.remaining < b.remaining ? 1 : -1));
  // One through hubs cannot be topped up: when it is used up, there is another.
  const isUsedUp = best?.info.hubs !== undefined && best.remaining < offer.price;
  if (best && !isUsedUp) return best;
  if (offer.hubList !== undefined && hasLedger(wallet, offer)) {
    // Others wait for it as well: it is not given up with the request of one of them.
    return withSignal(openThroughHubs(wallet, offer), signal, "opening a channel through hubs");
  }
  if (best) return best;
  throw new MillstreamError(
    "CHANNEL_REQUIRED",
    `there is no open channel with the seller of ${offer.url}: open one with wallet.openChannel({ seller: url, deposit }); ` +
      `all ${offer.chunks} chunks cost ${offer.total} base units of ${offer.asset}`,
  );
}

/**
 * Begins to open the channel that an offer will need, if it is one through hubs: what else has to be asked for before
 * anything is paid takes its time as well. What goes wrong goes wrong again when it is needed.
 */
export function openAhead(wallet: Wallet, offer: Offer): void {
  const isWith = ({ info }: Channel) =>
    info.role === "payer" && info.peer === offer.payee && info.asset === offer.asset && !isOver(info.status);
  if (offer.hubList === undefined || !hasLedger(wallet, offer) || wallet.channels().some(isWith)) return;
  openThroughHubs(wallet, offer).catch(() => {});
}

function hasLedger(wallet: Wallet, { asset }: Offer): boolean {
  return wallet.channels().some(({ info }) => info.kind === "ledger" && info.status === "open" && info.asset === asset);
}

/** The channels that are being opened: by wallet, then by seller and asset. */
const opening = new WeakMap<Wallet, Map<string, Promise<Channel>>>();
/** How often an amount is halved that no way can carry. */
const MAX_HALVINGS = 10;

/** Opens a channel through hubs over what all of the content costs, or as much of it as they can carry. */
function openThroughHubs(wallet: Wallet, offer: Offer): Promise<Channel> {
  const known = opening.get(wallet) ?? new Map<string, Promise<Channel>>();
  opening.set(wallet, known);
  const name = offer.payee + offer.asset;
  let channel = known.get(name);
  if (!channel) {
    const amounts = [offer.total];
    for (let rest = offer.total / 2n; rest >= offer.price && amounts.length <= MAX_HALVINGS; rest /= 2n)
      amounts.push(rest);
    channel = wallet.openThrough(offer, "auto", amounts, {}).finally(() => known.delete(name));
    known.set(name, channel);
  }
  return channel;
}

/** Resolves when one of the channels is open again, or after a while. @throws {MillstreamError} ABORTED */
async function reconnected(wallet: Wallet, channels: Channel[], ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let off = () => {};
  const changed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
    off = wallet.on("status", ({ channelId, status }) => {
      if (status === "open" && channels.some(({ id }) => id === channelId)) resolve();
    });
  });
  try {
    await withSignal(changed, signal, "the download");
  } finally {
    clearTimeout(timer);
    off();
  }
}
