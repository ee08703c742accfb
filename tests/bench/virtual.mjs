// Virtual channels: what opening and closing one through a hub sends and costs, native and in the module, whether it costs more
// in a hub that has ten thousand others open, and how long it takes from the first request to the first byte paid through it.

import { Host, NOW, deposited, openTerms } from "./channel.mjs";
import { DURATIONS } from "./harness.mjs";
import { native } from "./machine.mjs";
import { LINK, openMarket } from "./market/market.mjs";
import { loadModule } from "./module.mjs";
import { median } from "./stats.mjs";

/** How many are opened at a time; a ledger has room for a few more. */
const BATCH = 24;
const AMOUNT = 1_000n;
const FEE = 1n;
const DEPOSIT = 2n ** 90n;
/** What goes into a ledger on the chain, in wei. */
const LEDGER = 10n ** 18n;

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

/** The time to a first byte is measured with so long a way between each two of buyer, hub and seller, in milliseconds. */
const ROUND_TRIPS = [40, 10];
/** At a latency of 10 ms, by how often it flushes its records: never, every second, with every write. */
const PUBLISHED = "84.1, 86.5, 247";
/** How many buyers there are, each new to the seller, and how often each buys. */
const NORMAL = { buyers: 3, rounds: 7 };
const QUICK = { buyers: 1, rounds: 3 };

/** Buyers that have a ledger with a hub, and buy from a seller they have no channel with. */
async function firstBytes(roundTripMs, { buyers, rounds }) {
  const market = await openMarket({ mib: 1, hub: true });
  try {
    const way = { ...LINK, roundTripMs };
    const [toSeller, toHub, fromHub] = await Promise.all([
      market.openLink(way),
      market.openLink({ ...way, port: market.hubPort }),
      market.openLink(way),
    ]);
    await market.openLedgerOfHub(fromHub, LEDGER);
    const known = [];
    const first = [];
    for (let index = 0; index < buyers; index += 1) {
      const buyer = market.startBuyer();
      await buyer.ask("openLedger", market.hubTerms(toHub, LEDGER));
      for (let round = 0; round <= rounds; round += 1) {
        const taken = await market.listed((path) => buyer.ask("fetchThroughHub", toSeller + path));
        (round === 0 ? first : known).push(taken);
      }
      await buyer.stop();
    }
    const of = (samples, what) => median(samples.map((sample) => sample[what]));
    return {
      firstByteMs: of(known, "firstByteMs"),
      chunkMs: of(known, "chunkMs"),
      contactMs: of(first, "firstByteMs"),
      roundTrips: of(known, "roundTrips"),
    };
  } finally {
    await market.stop();
  }
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
  for (const ms of ROUND_TRIPS) {
    const { firstByteMs, chunkMs, contactMs, roundTrips } = await firstBytes(ms, quick ? QUICK : NORMAL);
    figures[`virtual.first_byte_ms_at_${ms}ms`] = Number(firstByteMs.toFixed(1));
    figures[`virtual.first_chunk_ms_at_${ms}ms`] = Number(chunkMs.toFixed(1));
    figures[`virtual.first_contact_ms_at_${ms}ms`] = Number(contactMs.toFixed(1));
    figures["virtual.round_trips_to_first_byte"] ??= roundTrips;
  }
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
    [
      ["the first paid byte, from the first request", ...ROUND_TRIPS.map((ms) => `${ms} ms each way and back`)],
      ["its first byte, ms", ...ROUND_TRIPS.map((ms) => text(`first_byte_ms_at_${ms}ms`))],
      ["a chunk of 256 KiB, checked, ms", ...ROUND_TRIPS.map((ms) => text(`first_chunk_ms_at_${ms}ms`))],
      ["the first byte on new connections, ms", ...ROUND_TRIPS.map((ms) => text(`first_contact_ms_at_${ms}ms`))],
      ["requests of the buyer one after the other", text("round_trips_to_first_byte"), ""],
      ["time to first payment that go-nitro published, ms", "", PUBLISHED],
    ],
  ];
  return { title: "virtual channels", tables, figures: Object.fromEntries(Object.entries(figures).sort()) };
}
