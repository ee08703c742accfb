// A page that watches a film, in the hands of a test: only plain values cross from page to test.

import Hls from "hls.js";
import { Wallet, rpcChain } from "millstream";

const video = document.querySelector("video");
let wallet, channel, meter;
const heard = { payments: [], receipts: [], errors: [], states: [] };
const plain = (value) => JSON.parse(JSON.stringify(value, (_, it) => (typeof it === "bigint" ? String(it) : it)));

globalThis.film = {
  video,
  /** Opens a wallet and a channel with the seller of `url`. */
  async open({ chain, contracts, account, url, deposit, policy }) {
    wallet = await Wallet.open({
      chain: rpcChain({ url: chain, contracts, account, pollInterval: 100 }),
      pollInterval: 100,
      policy,
    });
    wallet.on("payment", ({ origin, amount, url: from, index }) =>
      heard.payments.push({ origin, amount, url: from, index }),
    );
    wallet.on("receipt", ({ origin, index }) => heard.receipts.push({ origin, index }));
    channel = await wallet.openChannel({ seller: url, deposit: BigInt(deposit) });
    return channel.id;
  },
  /** Plays the film; without `own` the page makes the player. */
  watch(url, { own = false, config = {}, ...options } = {}) {
    video.muted = true;
    meter = wallet.watch(video, url, own ? options : { ...options, Hls, config });
    meter.on("error", ({ error }) => heard.errors.push(error.code));
    meter.on("change", () => heard.states.at(-1) === meter.state || heard.states.push(meter.state));
    if (own) {
      const player = new Hls({ ...config, loader: meter.loader });
      player.attachMedia(video);
      player.loadSource(url);
    }
    return video.play().catch((error) => heard.errors.push(error.name));
  },
  look() {
    const { state, seconds, paid, owed, atRisk } = meter;
    const { currentTime, paused, ended, videoHeight } = video;
    const { paid: total, remaining } = channel;
    return plain({
      state,
      seconds,
      paid,
      owed,
      atRisk,
      total,
      remaining,
      currentTime,
      paused,
      ended,
      videoHeight,
      ...heard,
    });
  },
  hide(hidden) {
    Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  },
  stop: (options) => meter.stop(options),
  dispose: () => meter[Symbol.dispose](),
  topUp: (amount) => channel.topUp(BigInt(amount)),
  close: async () => plain(await channel.close()),
};
