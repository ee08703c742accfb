// Compiled, never run: hls.js takes the meter's loader, and the meter takes hls.js.

import Hls from "hls.js";
import type { Meter, Wallet } from "millstream";

export function watch(wallet: Wallet, video: HTMLVideoElement): [Meter<Hls>, Hls] {
  const made = wallet.watch(video, "film/master.m3u8", { Hls, config: { maxBufferLength: 20 } });
  made.player?.levels.at(0);
  const own = wallet.watch(video, "film/master.m3u8");
  return [made, new Hls({ loader: own.loader, fLoader: own.loader, pLoader: own.loader })];
}
