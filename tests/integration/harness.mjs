// What the integration tests share: the real contracts on a development chain, a seller behind Node's http, buyers, and
// a view of the chain that does not go through the package.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startDevChain, waitForReceipt } from "@millstream/contracts/dev-chain";
import { AbiCoder, Interface, Wallet as EthersWallet } from "ethers";
import { memoryStore, rpcChain, Wallet } from "millstream";
import { Hub, Seller, nodeHandler } from "millstream/server";

/** Per chunk, in base units. */
export const PRICE = 1_000_003n;
export const CHUNK = 256 * 1024;
/** Eleven whole chunks and a short one: about 3 MiB. */
export const LENGTH = 11 * CHUNK + 12_345;
export const CHUNKS = 12n;
export const DEPOSIT = 20n * PRICE;
/** In seconds of the chain's clock. */
export const CHALLENGE_DURATION = 600;
export const CONFIRMATIONS = 2;
/** For a development chain only. */
const POLICY = { minChallengeDuration: CHALLENGE_DURATION };
/** The seller looks at the chain more often than the buyer, which then finds it ready when it says that its deposit is there. */
const SELLER_POLL_MS = 10;
const BUYER_POLL_MS = 60;

const ERC20 = new Interface([
  "function mint(address to, uint256 amount)",
  "function balanceOf(address owner) view returns (uint256)",
]);

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const freshAddress = () => EthersWallet.createRandom().address.toLowerCase();
export const joined = (chunks) => Buffer.concat(chunks.map(({ bytes }) => bytes));

/** Checks for a `MillstreamError` with this code and these details. */
export const coded = (code, details = {}) => {
  return (error) => {
    assert.equal(error.code, code, error.stack);
    assert.equal(error.name, "MillstreamError");
    for (const [name, value] of Object.entries(details)) assert.deepEqual(error.details[name], value, name);
    return true;
  };
};

/** Waits until `condition()` is truthy, and returns what it is. */
export async function until(condition, what, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`still not: ${what}`);
    await sleep(10);
  }
}

/** The chunks of a download, and its error if it ended with one. */
export async function collect(generator) {
  const chunks = [];
  try {
    for await (const chunk of generator) chunks.push(chunk);
  } catch (error) {
    return { chunks, error };
  }
  return { chunks };
}

// ---- the chain ------------------------------------------------------------------------------------------------------

/**
 * A development chain, seen without the package. Every transaction is mined at once; blocks on top of it are mined by
 * whoever wants to see it confirmed.
 */
export class World {
  static async start(options) {
    const chain = await startDevChain(options);
    const block = Number(await chain.rpc("eth_blockNumber"));
    return new World(chain, block);
  }

  constructor(chain, firstBlock) {
    this.chain = chain;
    this.rpc = chain.rpc;
    this.firstBlock = firstBlock;
    const { adjudicator, streamApp, consensusApp, token } = chain.addresses;
    this.token = token.toLowerCase();
    this.adjudicator = adjudicator.toLowerCase();
    this.contracts = {
      chainId: chain.chainId,
      adjudicator: this.adjudicator,
      streamApp: streamApp.toLowerCase(),
      consensusApp: consensusApp.toLowerCase(),
    };
  }

  stop() {
    return this.chain.stop();
  }

  /** An account with 100 ether that nobody else has; the node signs for it. */
  async account() {
    const account = freshAddress();
    await this.rpc("anvil_impersonateAccount", [account]);
    await this.rpc("anvil_setBalance", [account, `0x${(100n * 10n ** 18n).toString(16)}`]);
    return account;
  }

  /** The chain as the package uses it, from `account`. `fetch` stands for the way to it. */
  chainOf(account, { fetch, url = this.chain.url } = {}) {
    return rpcChain({ url, contracts: this.contracts, account, pollInterval: 10, ...(fetch && { fetch }) });
  }

  mine(blocks = 1) {
    return this.rpc("anvil_mine", [`0x${blocks.toString(16)}`]);
  }

  /** Lets the chain's clock run ahead. */
  async pass(seconds) {
    await this.rpc("evm_increaseTime", [seconds]);
    await this.mine();
  }

  /** Mines a block on top of every transaction of these wallets, so that it is confirmed. */
  confirm(...wallets) {
    for (const wallet of wallets) wallet.on("transaction", () => this.mine(CONFIRMATIONS - 1));
  }

  async balance(address, asset) {
    if (!asset) return BigInt(await this.rpc("eth_getBalance", [address, "latest"]));
    const data = ERC20.encodeFunctionData("balanceOf", [address]);
    return BigInt(await this.rpc("eth_call", [{ to: asset, data }, "latest"]));
  }

  async mint(to, amount) {
    const data = ERC20.encodeFunctionData("mint", [to, amount]);
    const hash = await this.rpc("eth_sendTransaction", [{ from: to, to: this.token, data }]);
    assert.equal((await waitForReceipt(this.rpc, hash)).status, "0x1");
  }

  /** What the adjudicator holds for a channel. */
  async holdings(channelId, asset = `0x${"0".repeat(40)}`) {
    const data = `0x166e56cd${AbiCoder.defaultAbiCoder().encode(["address", "bytes32"], [asset, channelId]).slice(2)}`;
    return BigInt(await this.rpc("eth_call", [{ to: this.adjudicator, data }, "latest"]));
  }

  /** Every transaction from or to one of these addresses since block `from`, with its receipt. */
  async transactions(addresses, from) {
    const wanted = new Set(addresses);
    const head = Number(await this.rpc("eth_blockNumber"));
    const found = [];
    for (let number = from; number <= head; number++) {
      const { transactions } = await this.rpc("eth_getBlockByNumber", [`0x${number.toString(16)}`, true]);
      for (const transaction of transactions) {
        if (!wanted.has(transaction.from) && !wanted.has(transaction.to)) continue;
        const receipt = await this.rpc("eth_getTransactionReceipt", [transaction.hash]);
        found.push({ ...transaction, gas: BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice), receipt });
      }
    }
    return found;
  }

  async head() {
    return Number(await this.rpc("eth_blockNumber"));
  }
}

// ---- seller and buyer -----------------------------------------------------------------------------------------------

/** A shop: a seller with a file of random bytes for sale, behind an http server that can go away and come back. */
export class Shop {
  static async open(
    t,
    world,
    {
      store,
      asset,
      chunkSize = CHUNK,
      price = chunkSize === CHUNK ? PRICE : PRICE / 64n,
      length = LENGTH,
      destination = freshAddress(),
      pollInterval = SELLER_POLL_MS,
      hubs,
    } = {},
  ) {
    const account = await world.account();
    const options = {
      chain: world.chainOf(account),
      destination,
      challengeDuration: CHALLENGE_DURATION,
      confirmations: CONFIRMATIONS,
      policy: POLICY,
      pollInterval,
      secret: new Uint8Array(randomBytes(32)),
      ...(store && { store }),
      ...(hubs && { hubs }),
    };
    const seller = await Seller.open(options);
    world.confirm(seller.wallet);
    const folder = await mkdtemp(join(tmpdir(), "millstream-integration-"));
    const file = join(folder, "film.bin");
    const content = randomBytes(length);
    await writeFile(file, content);
    const terms = { price, chunkSize, ...(asset && { asset }) };
    const listing = await seller.add("/film.bin", { file }, terms);
    const shop = new Shop({ seller, listing, content, account, destination, file, terms, options });
    await shop.listen();
    t.after(async () => {
      await shop.vanish();
      await shop.seller.stop();
      await rm(folder, { recursive: true });
    });
    return shop;
  }

  #server;
  #port = 0;

  constructor(parts) {
    Object.assign(this, parts);
  }

  /** Puts the server (back) where it was. */
  async listen() {
    this.#server = createServer(nodeHandler((request) => this.seller.handle(request)));
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = this.#server.address().port;
    this.origin = `http://127.0.0.1:${this.#port}`;
    this.url = `${this.origin}/film.bin`;
  }

  /** Cuts every connection, as a machine does that is switched off; the seller's wallet goes on. */
  async vanish() {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Cuts every connection, and starts the seller again from what its store has. */
  async restart(world) {
    await this.vanish();
    await this.seller.stop();
    const seller = await Seller.open(this.options);
    world.confirm(seller.wallet);
    this.listing = await seller.add("/film.bin", { file: this.file }, this.terms);
    this.seller = seller;
    await this.listen();
  }

  /** The seller's side of a channel. */
  side(channel) {
    return this.seller.wallet.channel(channel.id);
  }

  /** What the seller was paid on a channel. */
  paid(channel) {
    return this.side(channel).info.cumulativeAmount;
  }

  /** One paid request, as any HTTP client could make it. */
  async get(index, payment, headers = {}) {
    const { chunkSize, length } = this.listing;
    const first = index * chunkSize;
    const last = Math.min(first + chunkSize, length) - 1;
    const Payment = typeof payment === "string" ? payment : Buffer.from(payment).toString("base64url");
    const response = await fetch(this.url, { headers: { Range: `bytes=${first}-${last}`, Payment, ...headers } });
    const bytes = Buffer.from(await response.arrayBuffer());
    const code = response.status >= 400 ? JSON.parse(bytes.toString()).error.code : undefined;
    return { status: response.status, code, bytes };
  }

  /** The bytes of one chunk, from the file. */
  chunk(index) {
    return this.content.subarray(index * CHUNK, (index + 1) * CHUNK);
  }
}

/** A hub behind an http server, with an account and a destination of its own. */
export async function openHub(t, world, options = {}) {
  const [account, destination] = [await world.account(), freshAddress()];
  const hub = await Hub.open({
    chain: world.chainOf(account),
    destination,
    challengeDuration: CHALLENGE_DURATION,
    confirmations: CONFIRMATIONS,
    policy: POLICY,
    pollInterval: SELLER_POLL_MS,
    ...options,
  });
  world.confirm(hub.wallet);
  const server = createServer(nodeHandler((request) => hub.handle(request)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.close();
    server.closeAllConnections();
    await hub.stop();
  };
  t.after(stop);
  return { hub, account, destination, stop, origin: `http://127.0.0.1:${server.address().port}` };
}

/** A buyer with an account and a destination of its own. */
export async function openBuyer(t, world, { store = memoryStore(), ...options } = {}) {
  const account = options.account ?? (await world.account());
  const destination = freshAddress();
  const wallet = await Wallet.open({
    chain: world.chainOf(account, { fetch: options.chainFetch }),
    destination,
    store,
    policy: POLICY,
    pollInterval: BUYER_POLL_MS,
    ...(options.secret && { secret: options.secret }),
    ...(options.signer && { signer: options.signer }),
    ...(options.fetch && { fetch: options.fetch }),
  });
  t.after(() => wallet.stop());
  world.confirm(wallet);
  return { wallet, account, destination, store };
}

/** A shop, a buyer and an open channel between them. */
export async function trade(t, world, { deposit = DEPOSIT, buyerOptions, ...options } = {}) {
  const shop = await Shop.open(t, world, options);
  const buyer = await openBuyer(t, world, buyerOptions);
  const channel = await buyer.wallet.openChannel({ seller: shop.url, deposit });
  return { shop, buyer, channel };
}

/** Both sides were paid out exactly: what was paid to one, the rest to the other, nothing left in the contract. */
export async function assertPaidOut(world, { shop, buyer, channel }, paid, { deposit = DEPOSIT, asset } = {}) {
  assert.equal(await world.balance(shop.destination, asset), paid, "to the payee");
  assert.equal(await world.balance(buyer.destination, asset), deposit - paid, "back to the payer");
  assert.equal(await world.holdings(channel.id, asset), 0n, "left in the adjudicator");
}
