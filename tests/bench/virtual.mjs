// Virtual channels: what opening and closing one through a hub sends and costs, native and in the module, and whether it costs
// more in a hub that has ten thousand others open.

import { Host, NOW, deposited, openTerms } from "./channel.mjs";
import { DURATIONS } from "./harness.mjs";
import { native } from "./machine.mjs";
import { loadModule } from "./module.mjs";

/** How many are opened at a time; a ledger has room for a few more. */
const BATCH = 24;
const AMOUNT = 1_000n;
const FEE = 1n;
const DEPOSIT = 2n ** 90n;

/** A payer, a hub and a payee with a ledger on each side of the hub, and how to open and close a channel through it. */
function row(wasm) {
  const policy = { maxContribution: DEPOSIT, hub: { fee: FEE } };
  const hosts = ["payer", "hub", "payee"].map((name) => new Host(wasm, name, { policy }));
  const [payer, hub, payee] = hosts;
  const byKey = new Map(hosts.map((host) => [host.core.address(), host]));
  let hubTime = 0;
  /** Feeds a host, again if it has to look for a record first; returns its messages. */
  const input = (host, feed) => {
    const start = performance.now();
    const left = [];
    for (let again = true; again;) {
      again = false;
      try {
        feed(host.core);
      } catch (error) {
        if (error.code !== "CHANNEL_LOADING") throw error;
        again = true;
      }
      left.push(...host.drain());
    }
    if (host === hub) hubTime += performance.now() - start;
    return left.filter(({ type }) => type === "send");
  };
  const talk = (messages) => {
    for (let message; (message = messages.shift());) {
      const { peer, bytes } = message;
      messages.push(...input(byKey.get(peer), (core) => core.message(bytes, NOW)));
    }
  };
  let block = 1;
  const ledger = (from, to, name) => {
    let id;
    const terms = { ...openTerms(to, name), deposit: DEPOSIT, payeeDeposit: DEPOSIT, kind: "ledger" };
    talk(input(from, (core) => (id = core.openChannel(terms, NOW))));
    const update = deposited(id, 2n * DEPOSIT, block);
    block = update.headBlock;
    for (const host of [from, to]) talk(input(host, (core) => core.chainUpdate(update, NOW)));
    return id;
  };
  const ledgers = [ledger(payer, hub, "hub"), ledger(hub, payee, "payee")];
  const route = { hubs: [hub.core.address()], ledgers, fees: [FEE] };
  return {
    open() {
      let id;
      const terms = { ...openTerms(payee, "payee"), deposit: AMOUNT, route };
      talk(input(payer, (core) => (id = core.openChannel(terms, NOW))));
      return id;
    },
    close: (id) => talk(input(payer, (core) => core.closeChannel(id, NOW))),
    status: (id) => hosts.map(({ core }) => core.channel(id).status).join(),
    hubTime: () => hubTime,
  };
}

/** What the hub opens and closes in a second, in the best of some rounds. */
function rates(wasm, rounds) {
  const best = { opens: 0, closes: 0 };
  const { open, close, status, hubTime } = row(wasm);
  for (let round = 0; round < rounds; round += 1) {
    const start = hubTime();
    const ids = Array.from({ length: BATCH }, open);
    const opened = hubTime();
    for (const id of ids) {
      if (status(id) !== "open,open,open") throw new Error(`a channel is ${status(id)}`);
      close(id);
    }
    const closed = hubTime();
    for (const id of ids) if (status(id) !== "closed,closed,closed") throw new Error(`a channel is ${status(id)}`);
    best.opens = Math.max(best.opens, (1000 * BATCH) / (opened - start));
    best.closes = Math.max(best.closes, (1000 * BATCH) / (closed - opened));
  }
  return best;
}

export async function run(duration) {
  const quick = duration === DURATIONS.quick;
  const wasm = await loadModule();
  const { opens, closes } = rates(wasm, quick ? 3 : 8);
  const figures = {
    ...(await native(quick, "--virtual")),
    "virtual.opens_per_second.wasm": Math.round(opens),
    "virtual.closes_per_second.wasm": Math.round(closes),
  };
  const text = (key) => figures[`virtual.${key}`].toLocaleString("en-US");
  const tables = [
    [
      ["virtual channels per second through one hub, one core", "native", "WebAssembly"],
      ["opened", text("opens_per_second.native"), text("opens_per_second.wasm")],
      ["closed", text("closes_per_second.native"), text("closes_per_second.wasm")],
    ],
    [
      ["a virtual channel, for each ledger on its way", "messages", "bytes"],
      ["to open it", text("messages_to_open"), text("bytes_to_open")],
      ["to close it", text("messages_to_close"), text("bytes_to_close")],
    ],
    [
      [`cost beside ${quick ? "1,000" : "10,000"} others in the hub, against none`, "times as much"],
      ["to open one", text("cost_ratio_10k")],
      ["to close one", text("cost_ratio_10k_close")],
    ],
  ];
  return { title: "virtual channels", tables, figures: Object.fromEntries(Object.entries(figures).sort()) };
}
