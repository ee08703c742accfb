// A hub: stands between payers and sellers, so that channels between them need no transaction of their own.

import type { Chain } from "./chain.js";
import type { Channel } from "./channel.js";
import { checkInteger } from "./errors.js";
import type { OpenProgress, OpenStep } from "./opening.js";
import { MAX_LINKS, WALLET_PATH, type HubLink, type HubTerms } from "./peer-terms.js";
import { HttpError, refusal } from "./seller-http.js";
import type { Store } from "./store.js";
import type { ChannelInfo, Hex, HubPolicy, Policy } from "./types.js";
import { answerWallet } from "./wallet-http.js";
import { Wallet } from "./wallet.js";

/** What a hub is made of. */
export interface HubOptions extends HubPolicy {
  chain: Chain;
  /** Where its channels are kept. In memory without one: then a restart loses what others owe it. */
  store?: Store | undefined;
  /** The channel key, 32 bytes. Generated if missing; give one if the store outlives the process. */
  secret?: Uint8Array | undefined;
  /** The address that is paid out to. Default: the chain's account. */
  destination?: Hex | undefined;
  /** What it asks of channels beside the terms here. */
  policy?: Partial<Omit<Policy, "hub">> | undefined;
  /** The time to answer a challenge that is asked of a ledger, in seconds. Default 3,600. */
  challengeDuration?: number | undefined;
  /** How many blocks deep a deposit must be. Default 2. */
  confirmations?: number | undefined;
  /** How often the chain is asked for news, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
  fetch?: typeof fetch | undefined;
}

/** How a hub opens a ledger. */
export interface LinkOptions {
  /** What the hub puts in, in base units: so much can be on its way to the other side at once. */
  deposit: bigint;
  /** What the other side is asked to put in. Default 0; its policy says whether it does. */
  payeeDeposit?: bigint | undefined;
  /** Default: the native one. */
  asset?: Hex | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((step: OpenStep, info: OpenProgress) => void) | undefined;
}

const DEFAULT_CHALLENGE_DURATION = 3_600;
const DEFAULT_CONFIRMATIONS = 2;
/** How long it says the same, in milliseconds. */
const TERMS_AGE = 1_000;

/**
 * A hub.
 *
 * Payers open ledgers with it (`wallet.openChannel({ seller: hubUrl, kind: "ledger", deposit })`), and it opens ledgers to
 * sellers and to other hubs with {@link link}: it is the hub that needs money on its side towards them, and that has to
 * reach them when somebody opens a channel. What is paid on a channel goes past it; it sees how much the channel may pay
 * at most, and at the close how much it did.
 */
export class Hub {
  /** The hub's side of every ledger. It answers stale closes by itself while it runs. */
  readonly wallet: Wallet;
  readonly #terms: Omit<HubTerms, "links">;
  readonly #asked: { readonly challengeDuration: number; readonly confirmations: number };
  readonly #assets: readonly Hex[];
  #said: { readonly until: number; readonly links: readonly HubLink[] } | undefined;

  private constructor(
    wallet: Wallet,
    options: HubOptions,
    asked: { challengeDuration: number; confirmations: number },
  ) {
    const { fee = 0n, feeRate = 0, maxAmount = 0n, policy } = options;
    this.wallet = wallet;
    this.#terms = { fee, feeRate, maxAmount };
    this.#asked = asked;
    this.#assets = policy?.assets ?? [];
  }

  /**
   * Opens the hub's wallet.
   *
   * @throws {MillstreamError} INVALID_ARGUMENT, INVALID_HEX; and what `Wallet.open` throws
   */
  static async open(options: HubOptions): Promise<Hub> {
    const { chain, store, secret, destination, policy, pollInterval, fetch } = options;
    const { serves, fee, feeRate, maxAmount, maxPerPeer } = options;
    const challengeDuration = checkInteger(
      options.challengeDuration ?? DEFAULT_CHALLENGE_DURATION,
      "challengeDuration",
    );
    const confirmations = checkInteger(options.confirmations ?? DEFAULT_CONFIRMATIONS, "confirmations", 1);
    const wallet = await Wallet.open({
      chain,
      store,
      secret,
      destination,
      pollInterval,
      fetch,
      policy: {
        // What it asks for is what it accepts.
        minChallengeDuration: challengeDuration,
        minConfirmations: confirmations,
        ...policy,
        hub: { serves, fee, feeRate, maxAmount, maxPerPeer },
      },
    });
    return new Hub(wallet, options, { challengeDuration, confirmations });
  }

  /** What it says about itself: its fees, and whom it can reach. At most a second old: anybody may ask. */
  get terms(): HubTerms {
    if (!this.#said || this.#said.until < Date.now())
      this.#said = { until: Date.now() + TERMS_AGE, links: this.#links() };
    return { ...this.#terms, links: this.#said.links };
  }

  /**
   * Opens a ledger to a seller or another hub, so that channels can go there through this hub. One transaction, two for a
   * token.
   *
   * @param url any URL of the other side's server
   * @throws {MillstreamError} what `Wallet.openChannel` throws
   */
  async link(url: string | URL, options: LinkOptions): Promise<Channel> {
    const ledger = await this.wallet.openChannel({ ...options, seller: url, kind: "ledger" });
    this.#said = undefined;
    return ledger;
  }

  /** Answers one request. Never throws: whatever goes wrong is an answer too. */
  async handle(request: Request): Promise<Response> {
    try {
      if (new URL(request.url).pathname !== WALLET_PATH)
        throw new HttpError(404, "NOT_FOUND", `this is a hub: its wallet is at ${WALLET_PATH}`);
      return await answerWallet(this.wallet, request, () => ({
        ...this.#asked,
        kinds: ["ledger"],
        assets: this.#assets,
        hub: this.terms,
      }));
    } catch (error) {
      return refusal(error);
    }
  }

  /** Stops the wallet. Channels stay as they are in the store. */
  async stop(): Promise<void> {
    await this.wallet.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The open ledgers with those it can call; payers are nobody's business. */
  #links(): HubLink[] {
    const links: HubLink[] = [];
    for (const { info, sellerUrl: url } of this.wallet.channels()) {
      if (info.kind !== "ledger" || info.status !== "open" || url === undefined) continue;
      const { peer, id: ledger, asset } = info;
      const { ours, theirs } = sides(info);
      links.push({ peer, url, ledger, asset, send: roughly(ours), receive: roughly(theirs) });
      if (links.length === MAX_LINKS) break;
    }
    return links;
  }
}

/** What each side of a ledger can still set aside, in base units. */
function sides({ role, balances, promised = 0n }: ChannelInfo): { ours: bigint; theirs: bigint } {
  const { payer, payee } = balances;
  const [ours, theirs] = role === "payer" ? [payer, payee] : [payee, payer];
  return { ours: ours > promised ? ours - promised : 0n, theirs };
}

/** The three highest bits of an amount: who watches it from outside does not see what each channel was worth. */
function roughly(amount: bigint): bigint {
  const shift = BigInt(Math.max(0, amount.toString(2).length - 3));
  return (amount >> shift) << shift;
}
