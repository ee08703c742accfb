// The page: loads what is for sale and hands the shared session to its parts.

import { init } from "millstream";

import { offerClosing } from "./close.js";
import { chunksOf, loadConfig } from "./config.js";
import { offerConnections } from "./connection.js";
import { byId, say } from "./dom.js";
import { offerDownload } from "./download.js";
import { showChunks } from "./chunks.js";
import { showError } from "./errors.js";
import { bytes, count } from "./format.js";
import { offerFunding } from "./fund.js";
import { showHub } from "./hub.js";
import { showMeter } from "./meter.js";
import { showPayments } from "./payments.js";
import { offerAttempts } from "./sceptic.js";
import { Session } from "./session.js";

async function main(): Promise<void> {
  const config = await loadConfig();
  const { item } = config;
  byId("item").textContent =
    `${item.name}: ${item.about}. ${bytes(item.length)} in ${count(chunksOf(item), "chunk")} of at most ${bytes(item.chunkSize)}.`;
  const session = new Session(config);
  offerConnections(session);
  offerFunding(session);
  showMeter(session);
  showChunks(session);
  showPayments(session);
  offerDownload(session);
  offerAttempts(session);
  offerClosing(session);
  showHub(session);
  await init(); // so that the first payment does not wait for the WebAssembly module
  say("No channel is open.");
  document.documentElement.dataset["ready"] = "";
}

main().catch((error: unknown) => {
  say("The page could not be started.");
  showError(error);
});
