// Which channel pays for an offer.

import type { Channel } from "./channel.js";
import { MillstreamError } from "./errors.js";
import type { Offer } from "./offer.js";
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
  if (best) return best;
  throw new MillstreamError(
    "CHANNEL_REQUIRED",
    `there is no open channel with the seller of ${offer.url}: open one with wallet.openChannel({ seller: url, deposit }); ` +
      `all ${offer.chunks} chunks cost ${offer.total} base units of ${offer.asset}`,
  );
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
