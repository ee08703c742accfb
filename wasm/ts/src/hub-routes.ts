// The way through hubs: the one that is named, or the cheapest that can carry the money, and another one if that is refused.
// Loaded by those only who go through hubs.

import { MillstreamError, isMillstreamError } from "./errors.js";
import { MAX_NAMED, hubBookOf, namedHubs, type KnownHub, type NamedHub } from "./hub-book.js";
import type { Offer } from "./offer.js";
import type { OpenTarget } from "./opening.js";
import { feeFor, fetchPeerTerms } from "./peer-terms.js";
import { NATIVE_ASSET, type ChannelInfo, type Hex, type Route } from "./types.js";
import { withSignal } from "./waits.js";
import type { Wallet } from "./wallet.js";

/** How often further hubs are asked for, behind those that are known. */
const MAX_ROUNDS = 3;
/** How many of them at once. */
const MAX_ASKED = 8;
/** How many ways are tried until what refused the last one is reported. */
const MAX_WAYS = 4;
/** Completes "... was aborted". */
const ASKING = "asking hubs for their terms";
/** What is not known is enough. */
const UNKNOWN = 2n ** 128n;

/** A ledger on a way, and whom it leads to. */
export interface Leg {
  readonly ledger: Hex;
  readonly to: Hex;
  /** What can go there at most, as far as it is known, in base units. */
  readonly most: bigint;
}

/** A way: a leg more than hubs. */
export interface Way {
  readonly hubs: readonly KnownHub[];
  readonly legs: readonly Leg[];
}

/** Opens a channel over `amount` base units along a route. */
export type Open = (amount: bigint, route: Route) => Promise<Hex>;

/**
 * With whom a ledger is opened: whoever is at a URL.
 *
 * @throws {MillstreamError} `PEER_...`, `WRONG_CHAIN`, `ABORTED`, `INVALID_ARGUMENT`
 */
export async function ledgerTarget(
  wallet: Wallet,
  url: string | URL,
  signal: AbortSignal | undefined,
): Promise<OpenTarget> {
  const terms = await fetchPeerTerms(url, wallet, { signal });
  const { address: payee, destination: payeeDestination, walletUrl, challengeDuration, confirmations } = terms;
  if (!terms.kinds.includes("ledger"))
    throw new MillstreamError(
      "PEER_TERMS_MALFORMED",
      `the wallet at ${walletUrl} takes no ledgers: it is no hub, and no seller that knows one`,
    );
  const [asset = NATIVE_ASSET] = terms.assets;
  return { payee, payeeDestination, walletUrl, asset, challengeDuration, confirmations };
}

/** Asks the hubs that a wallet has ledgers with for their terms, so that they are there when a way is looked for. */
export function warmHubs(wallet: Wallet): void {
  for (const { url } of ledgersOf(wallet)) void hubBookOf(wallet).find(url);
}

/**
 * Opens a channel through the hubs that its owner names.
 *
 * @throws {MillstreamError} `PEER_...`, `ROUTE_UNKNOWN`, `ABORTED`, and what `open` throws
 */
export async function openVia(
  wallet: Wallet,
  offer: Offer,
  via: readonly (string | URL)[],
  amount: bigint,
  open: Open,
  signal?: AbortSignal,
): Promise<Hex> {
  const book = hubBookOf(wallet);
  for (let isAgain = false; ; isAgain = true) {
    const hubs = await withSignal(Promise.all(via.map((url) => book.get(url))), signal, ASKING);
    try {
      const way = wayThrough(wallet, offer, await namedHubs(offer), hubs);
      return await open(amount, routeOf(way, amount));
    } catch (error) {
      if (isAgain || !isOutdated(error)) throw error;
      for (const hub of hubs) book.forget(hub);
    }
  }
}

/**
 * Opens a channel along the cheapest way that there is.
 *
 * @param amounts what the channel may be over, the best first, in base units
 * @throws {MillstreamError} `ROUTE_UNKNOWN`, `OFFER_MALFORMED`, `ABORTED`, and what `open` throws for the last way
 */
export async function openAlong(
  wallet: Wallet,
  offer: Offer,
  amounts: readonly bigint[],
  open: Open,
  signal?: AbortSignal,
): Promise<Hex> {
  const search = new Search(wallet, offer, await namedHubs(offer));
  await withSignal(search.begin(), signal, ASKING);
  let refusal: unknown;
  for (let tries = 0, rounds = 0; ;) {
    const found = await search.find(amounts);
    if (!found) {
      if (rounds++ < MAX_ROUNDS && (await withSignal(search.lookFurther(), signal, ASKING))) continue;
      throw refusal ?? search.nothing();
    }
    const { way, amount } = found;
    try {
      return await open(amount, routeOf(way, amount));
    } catch (error) {
      if (!isOfWay(error) || ++tries === MAX_WAYS) throw error;
      refusal = error;
      await search.refused(way, amount, error);
    }
  }
}

/** Looks for ways from a wallet to a seller. */
class Search {
  readonly #wallet: Wallet;
  readonly #offer: Offer;
  readonly #named: readonly NamedHub[];
  readonly #hubs = new Map<Hex, KnownHub>();
  readonly #asked = new Set<string>();
  /** How often a way over a ledger was refused. */
  readonly #refusals = new Map<Hex, number>();
  /** The ways that were refused, and from which amount on. */
  readonly #over = new Map<string, bigint>();
  #isRefreshed = false;

  constructor(wallet: Wallet, offer: Offer, named: readonly NamedHub[]) {
    this.#wallet = wallet;
    this.#offer = offer;
    this.#named = named;
  }

  /** Learns about the hubs that the wallet has ledgers with. */
  async begin(): Promise<void> {
    await this.#ask(this.#own().map(({ url }) => url));
  }

  /** Learns more: what the known hubs say now, whom the seller names, whom they name. Says whether there was more to ask. */
  async lookFurther(): Promise<boolean> {
    const isFirst = !this.#isRefreshed;
    if (isFirst) await this.#refresh([...this.#hubs.values()]);
    this.#isRefreshed = true;
    const behind = [...this.#hubs.values()].flatMap(({ hub }) => hub.links);
    const links = behind.filter(({ asset, peer }) => asset === this.#offer.asset && peer !== this.#offer.payee);
    const urls = [...this.#named, ...links].map(({ url }) => url);
    const fresh = [...new Set(urls)].filter((url) => !this.#asked.has(url)).slice(0, Math.max(MAX_ASKED, MAX_NAMED));
    await this.#ask(fresh);
    return isFirst || fresh.length > 0;
  }

  /** The cheapest way for the first of some amounts that there is a way for. */
  async find(amounts: readonly bigint[]): Promise<{ way: Way; amount: bigint } | undefined> {
    for (const amount of amounts) {
      const way = this.#throughOne(amount) ?? (await this.#throughMore(amount));
      if (way) return { way, amount };
    }
    return undefined;
  }

  /** A way was refused. Who it was on the way, nobody says. */
  async refused(way: Way, amount: bigint, error: unknown): Promise<void> {
    // Maybe not the way is wrong, but what is known of it.
    if (isOutdated(error) && (await this.#refresh(way.hubs))) return;
    this.#over.set(nameOf(way), isAbout(error, "HUB_LIQUIDITY") ? amount : 0n);
    // Of its own ledger the wallet knows itself what it can carry.
    for (const { ledger } of way.legs.slice(1)) this.#refusals.set(ledger, (this.#refusals.get(ledger) ?? 0) + 1);
  }

  nothing(): MillstreamError {
    const { url, asset } = this.#offer;
    const own = this.#own();
    const most = own.reduce((sum, leg) => (leg.most > sum ? leg.most : sum), 0n);
    const has = own.length === 0 ? "has no open ledger with a hub" : `can set ${most} base units of ${asset} aside`;
    return new MillstreamError(
      "ROUTE_UNKNOWN",
      `no way through hubs leads to the seller of ${url} now: this wallet ${has}; open a channel with the seller itself`,
    );
  }

  /** Asks hubs again. Says whether one of them says something else now. */
  async #refresh(hubs: readonly KnownHub[]): Promise<boolean> {
    for (const hub of hubs) hubBookOf(this.#wallet).forget(hub);
    const fresh = await this.#ask(hubs.map(({ walletUrl }) => walletUrl));
    return fresh.some((hub, at) => hub && asText(hub) !== asText(hubs[at]));
  }

  async #ask(urls: readonly string[]): Promise<(KnownHub | undefined)[]> {
    const found = await Promise.all(
      urls.map((url) => {
        this.#asked.add(url);
        return hubBookOf(this.#wallet).find(url);
      }),
    );
    for (const hub of found) if (hub) this.#hubs.set(hub.address, hub);
    return found;
  }

  #own(): OwnLeg[] {
    return ledgersOf(this.#wallet).filter(({ asset }) => asset === this.#offer.asset);
  }

  /** The ways through one hub need no search. */
  #throughOne(amount: bigint): Way | undefined {
    const ways: Way[] = [];
    for (const own of this.#own()) {
      const hub = this.#hubs.get(own.to);
      for (const last of hub ? this.#legs(hub) : [])
        if (hub && last.to === this.#offer.payee) ways.push({ hubs: [hub], legs: [own, last] });
    }
    return ways
      .filter((way) => this.#isOpen(way, amount))
      .sort((a, b) => (feesOf(a, amount) < feesOf(b, amount) ? -1 : 1))[0];
  }

  async #throughMore(amount: bigint): Promise<Way | undefined> {
    if (this.#hubs.size < 2) return undefined;
    const { cheapestWay } = await import("./hub-graph.js");
    const { address: from } = this.#wallet;
    const own = this.#own();
    const legs = (start: Hex) => {
      const hub = this.#hubs.get(start);
      return start === from ? own : hub ? this.#legs(hub) : [];
    };
    const refusals = (ledger: Hex) => this.#refusals.get(ledger) ?? 0;
    const way = cheapestWay({ from, to: this.#offer.payee, hubs: this.#hubs, legs, refusals }, amount);
    return way && this.#isOpen(way, amount) ? way : undefined;
  }

  /** Whether a way was not refused yet, and can carry a channel as far as is known. */
  #isOpen(way: Way, amount: bigint): boolean {
    const [own] = way.legs;
    const refused = this.#over.get(nameOf(way));
    if (!own || (refused !== undefined && amount >= refused) || own.most < amount + feesOf(way, amount)) return false;
    const takes = ({ hub }: KnownHub) => hub.maxAmount === 0n || amount <= hub.maxAmount;
    return way.legs.every(({ most }) => amount <= most) && way.hubs.every(takes);
  }

  #legs(hub: KnownHub): Leg[] {
    const legs = legsOf(hub, this.#offer.asset);
    const named = legNamed(this.#named, hub.address, this.#offer.payee);
    return named && legs.every(({ ledger }) => ledger !== named.ledger) ? [...legs, named] : legs;
  }
}

interface OwnLeg extends Leg {
  readonly url: string;
  readonly asset: Hex;
}

/** The open ledgers with those that this wallet can call. */
function ledgersOf(wallet: Wallet): OwnLeg[] {
  const ledgers: OwnLeg[] = [];
  for (const { id, info, sellerUrl: url } of wallet.channels())
    if (info.kind === "ledger" && info.status === "open" && url !== undefined)
      ledgers.push({ ledger: id, to: info.peer, most: spendable(info), url, asset: info.asset });
  return ledgers;
}

/** What of our side of a ledger can be set aside, in base units. */
function spendable({ role, balances, promised = 0n, reserve }: ChannelInfo): bigint {
  const free = (role === "payer" ? balances.payer : balances.payee) - promised - reserve;
  return free > 0n ? free : 0n;
}

/** The way through the hubs that its owner names; what it can carry, they say. @throws {MillstreamError} ROUTE_UNKNOWN */
function wayThrough(
  wallet: Wallet,
  { asset, payee }: Offer,
  named: readonly NamedHub[],
  hubs: readonly KnownHub[],
): Way {
  let legs: readonly Leg[] = ledgersOf(wallet).filter((ledger) => ledger.asset === asset);
  const taken: Leg[] = [];
  for (const hub of hubs) {
    taken.push(
      largest(legs, hub.address) ?? missing(`no open ledger in ${asset} leads to the hub at ${hub.walletUrl}`),
    );
    legs = [...legsOf(hub, asset), ...[legNamed(named, hub.address, payee)].filter((leg) => leg !== undefined)];
  }
  taken.push(largest(legs, payee) ?? missing("the last hub has no ledger with the seller"));
  return { hubs, legs: taken };
}

/** Where a hub's ledgers lead. It says only the highest bits of what can go there. */
function legsOf({ hub }: KnownHub, asset: Hex): Leg[] {
  const links = hub.links.filter((link) => link.asset === asset);
  return links.map(({ ledger, peer, send }) => ({ ledger, to: peer, most: send + send / 4n }));
}

/** A seller does not say what can go to it. */
function legNamed(named: readonly NamedHub[], hub: Hex, payee: Hex): Leg | undefined {
  const found = named.find(({ address }) => address === hub);
  return found && { ledger: found.ledger, to: payee, most: UNKNOWN };
}

function largest(legs: readonly Leg[], to: Hex): Leg | undefined {
  return legs.filter((leg) => leg.to === to).sort((a, b) => (a.most < b.most ? 1 : -1))[0];
}

function routeOf({ hubs, legs }: Way, amount: bigint): Route {
  return {
    hubs: hubs.map(({ address }) => address),
    ledgers: legs.map(({ ledger }) => ledger),
    fees: hubs.map(({ hub }) => feeFor(hub, amount)),
  };
}

function feesOf({ hubs }: Way, amount: bigint): bigint {
  return hubs.reduce((sum, { hub }) => sum + feeFor(hub, amount), 0n);
}

function nameOf({ legs }: Way): string {
  return legs.map(({ ledger }) => ledger).join();
}

function asText(hub: KnownHub | undefined): string {
  return JSON.stringify(hub?.hub, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}

function missing(what: string): never {
  throw new MillstreamError("ROUTE_UNKNOWN", `no channel can be opened this way: ${what}`);
}

/** Whether what the hubs said before may not hold any more. */
function isOutdated(error: unknown): boolean {
  return ["HUB_FEE", "HUB_LIQUIDITY", "ROUTE_UNKNOWN"].some((code) => isAbout(error, code));
}

function isAbout(error: unknown, code: string): boolean {
  return isMillstreamError(error) && (error.details.peerCode ?? error.code) === code;
}

/** Whether another way may be taken where this one was not. */
function isOfWay(error: unknown): boolean {
  return isMillstreamError(error) && ["HUB_REFUSED", "OPEN_TIMEOUT", "HUB_LIQUIDITY"].includes(error.code);
}
