// Wallets that trade without a network: a chain that is a list of blocks, written by ethers from the adjudicator's
// interface, and a seller that is a wallet behind a function. Both misbehave on demand.

import { MillstreamError, Wallet, memoryStore } from "millstream";

import { ADJUDICATOR, CONTRACTS, NATIVE, account, call, log } from "./harness.mjs";

export const PRICE = 1_000n;
export const DEPOSIT = 100_000n;
export const ORIGIN = "https://seller.test";
export const FILE = `${ORIGIN}/film.mp4`;
export const POLICY = { minChallengeDuration: 60 };

/** A chain. Every transaction is a block of its own. */
export class FakeChain {
  #logs = [];
  #block = 100;
  #clock = Math.floor(Date.now() / 1_000);
  #holdings = new Map();
  /** Set to make transactions fail: called with the call's name, may throw or return a promise. */
  onTransaction = () => {};
  /** Set to make everything fail. */
  unreachable = false;
  sent = [];
  asked = [];

  /** This chain as the account with number `byte` uses it. */
  as(byte) {
    return {
      contracts: CONTRACTS,
      account: async () => account(byte),
      head: async () => this.#reach("head") ?? { block: this.#block, time: this.#clock },
      logs: async (from, to) => {
        this.#reach("logs");
        this.asked.push([from, to]);
        return this.#logs.filter(({ block }) => block >= from && block <= to);
      },
      sendTransaction: async ({ to, value, data }, { signal, onSent } = {}) => {
        this.#reach("sendTransaction");
        const { name, args } = to === ADJUDICATOR ? call(data) : { name: "approve", args: [] };
        this.sent.push(name);
        const hash = `0x${(this.#block + 1).toString(16).padStart(64, "0")}`;
        await this.onTransaction(name, { signal, sent: () => onSent?.(hash) });
        onSent?.(hash);
        this.#block += 1;
        this.#carryOut(name, args, value);
        return { hash, block: this.#block, gasUsed: 50_000n };
      },
    };
  }

  mine(blocks = 1, seconds = blocks) {
    this.#block += blocks;
    this.#clock += seconds;
  }

  get block() {
    return this.#block;
  }

  #reach(what) {
    if (this.unreachable) throw new MillstreamError("CHAIN_UNREACHABLE", `no ${what} today`);
  }

  #carryOut(name, args, value) {
    const emit = (event, values) => {
      const at = this.#logs.filter(({ block }) => block === this.#block).length;
      this.#logs.push(log(event, values, this.#block, at));
    };
    if (name === "deposit") {
      const [asset, channelId, , amount] = args;
      if (asset === NATIVE && value !== amount) throw new Error("the value is not the deposit");
      this.#holdings.set(channelId, amount);
      emit("Deposited", [channelId, asset, amount]);
    }
    if (name === "concludeAndTransferAllAssets") {
      const channelId = this.#onlyChannel();
      emit("Concluded", [channelId, this.#clock]);
      emit("AllocationUpdated", [channelId, 0, this.#holdings.get(channelId), 0]);
    }
    if (name === "challenge") {
      const [, proof, candidate] = args.map((arg) => arg?.toArray?.(true) ?? arg);
      emit("ChallengeRegistered", [this.#onlyChannel(), this.#clock + 60, proof, candidate]);
    }
    if (name === "transferAllAssets") emit("AllocationUpdated", [args[0], 0, this.#holdings.get(args[0]), 0]);
  }

  #onlyChannel() {
    const [channelId] = this.#holdings.keys();
    return channelId;
  }
}

/** A seller: a wallet, and `fetch` that reaches it. */
export class FakeSeller {
  static async open(t, chain, options = {}) {
    const wallet = await Wallet.open({ chain: chain.as(2), policy: POLICY, pollInterval: 5, ...options });
    t.after(() => wallet.stop());
    return new FakeSeller(wallet);
  }

  messages = 0;
  /** Set to answer instead: gets the number of the message, returns a Response, or undefined to go on. */
  onMessage = () => undefined;
  /** Set to change the terms before they are sent. */
  terms = (terms) => terms;

  constructor(wallet) {
    this.wallet = wallet;
  }

  fetch = async (url, init = {}) => {
    if (init.signal?.aborted) throw init.signal.reason;
    if (url === `${ORIGIN}/.well-known/millstream` && init.method === "POST") return this.#message(init.body);
    if (url !== FILE) return new Response("not found", { status: 404 });
    return new Response("{}", { status: 402, headers: { "payment-required": this.header() } });
  };

  header() {
    const { chainId, adjudicator, streamApp } = CONTRACTS;
    const quote = this.wallet.signQuote({
      contentRoot: `0x${"c0".repeat(32)}`,
      length: 10_500,
      chunkSize: 1_000,
      chunks: 11,
      unit: "chunk",
      units: 11,
      credit: 0n,
      price: PRICE,
      asset: NATIVE,
      challengeDuration: 60,
      confirmations: 2,
      expiresAt: Math.floor(Date.now() / 1_000) + 3_600,
    });
    const terms = this.terms({
      x402Version: 2,
      accepts: [
        {
          scheme: "stream",
          network: `eip155:${chainId}`,
          asset: NATIVE,
          amount: String(PRICE),
          payTo: this.wallet.destination,
          maxTimeoutSeconds: 60,
          extra: {
            quote: Buffer.from(quote).toString("base64url"),
            payee: this.wallet.address,
            adjudicator,
            streamApp,
            wallet: "/.well-known/millstream",
            manifest: "/film.mp4?manifest",
            unit: "chunk",
            units: 11,
            credit: "0",
            chunks: 11,
            length: 10_500,
          },
        },
      ],
    });
    return typeof terms === "string" ? terms : Buffer.from(JSON.stringify(terms)).toString("base64");
  }

  async #message(body) {
    this.messages += 1;
    const instead = await this.onMessage(this.messages);
    if (instead) return instead;
    try {
      return frames(await this.wallet.receiveMessage(new Uint8Array(body)));
    } catch (error) {
      if (error.details?.reply) return frames(error.details.reply);
      return Response.json({ error: { code: error.code, message: error.message } }, { status: 400 });
    }
  }
}

/** Messages in one body, as the protocol frames them. */
export function frames(messages) {
  const parts = messages.flatMap((message) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length);
    return [length, message];
  });
  return new Response(Buffer.concat(parts), { status: 200 });
}

/** A buyer's wallet. */
export async function openBuyer(t, chain, seller, options = {}) {
  const wallet = await Wallet.open({
    chain: chain.as(1),
    policy: POLICY,
    pollInterval: 5,
    fetch: seller?.fetch,
    store: memoryStore(),
    ...options,
  });
  t.after(() => wallet.stop());
  return wallet;
}

/** A chain that mines on, a seller, a buyer, and an open channel between them. */
export async function openTrade(t, options = {}) {
  const chain = new FakeChain();
  const mining = setInterval(() => chain.mine(), 5);
  t.after(() => clearInterval(mining));
  const seller = await FakeSeller.open(t, chain, options.seller);
  const buyer = await openBuyer(t, chain, seller, options.buyer);
  const channel = await buyer.openChannel({ seller: FILE, deposit: DEPOSIT });
  return { chain, seller, buyer, channel };
}

/** A store that does what it is told. */
export class TestStore {
  #inner = memoryStore();
  commits = 0;
  reads = 0;
  /** Set to act before a commit: may throw, or return a promise. */
  onCommit = () => {};
  onRead = () => {};

  load() {
    return this.#inner.load();
  }
  async read(keys) {
    this.reads += 1;
    await this.onRead(this.reads);
    return this.#inner.read(keys);
  }
  async commit(writes) {
    this.commits += 1;
    await this.onCommit(this.commits, writes);
    await this.#inner.commit(writes);
  }
}
