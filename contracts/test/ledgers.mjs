// Streams without money of their own, the ledgers that guarantee them, and what the adjudicator makes of both
// (docs/adr/0019-guarantees-first.md). What `reclaim` should leave is computed here; that it is what the contract left
// shows in the next call, which must name that outcome.

import { AbiCoder, ZeroAddress, ZeroHash } from "ethers";

import {
  Stream,
  encodeGuarantee,
  encodeOutcome,
  freshAddress,
  key,
  outcome,
  pad,
  signed,
  state,
  stateHash,
} from "./harness.mjs";

const coder = AbiCoder.defaultAbiCoder();

// Nitro's allocation types.
export const SIMPLE = 0;
export const WITHDRAW_HELPER = 1;
export const GUARANTEE = 2;

/** A stream that ledgers guarantee: nobody may pay its allocations out, so they are of the type that `transfer` refuses. */
export class VirtualStream extends Stream {
  constructor(env, { allocationType = GUARANTEE, ...options } = {}) {
    super(env, options);
    this.allocationType = allocationType;
  }

  outcome(payerAmount, payeeAmount) {
    const [exit] = super.outcome(payerAmount, payeeAmount);
    for (const allocation of exit.allocations) allocation.allocationType = this.allocationType;
    return [exit];
  }
}

/** The layouts of a ledger's outcome: where its guarantees are. */
export const GUARANTEES_FIRST = (guarantees, shares) => [...guarantees, ...shares];
export const GUARANTEES_LAST = (guarantees, shares) => [...shares, ...guarantees];

/** A channel of two whose money streams draw on. */
export class Ledger extends Stream {
  constructor(env, { layout = GUARANTEES_FIRST, ...options }) {
    super(env, { appDefinition: env.addresses.consensusApp, ...options });
    this.layout = layout;
  }

  /** The guarantee of `amount` to a stream: left is the side nearer its payee, right the side nearer its payer. */
  guarantee(stream, amount, { allocationType = GUARANTEE } = {}) {
    const [payer, payee] = [this.payer, this.payee].map(({ address }) => stream.fixed.participants.indexOf(address));
    const [payerDestination, payeeDestination] = this.destinations.map(pad);
    const sides = payer < payee ? [payeeDestination, payerDestination] : [payerDestination, payeeDestination];
    return { destination: stream.id, amount, allocationType, metadata: encodeGuarantee(...sides) };
  }

  /** A state in which both have this much of their own, beside what is guaranteed. */
  guaranteeing(turnNum, guarantees, [payerAmount, payeeAmount], options) {
    const [payer, payee] = this.destinations;
    const [exit] = outcome(this.asset, [payee, payeeAmount], [payer, payerAmount]);
    return state(turnNum, [{ ...exit, allocations: this.layout(guarantees, exit.allocations) }], options);
  }
}

/** A channel that the adjudicator holds final, with its outcome as it is now. */
export class Final {
  #env;

  constructor(channel, finalState, hash = stateHash(channel.fixed, finalState)) {
    this.#env = channel.env;
    this.id = channel.id;
    this.outcome = finalState.outcome;
    this.stateHash = hash;
  }

  /** By challenge, and once its time has passed. */
  static async challenged(channel, finalState, by = channel.payee) {
    await channel.challengeWithBase(finalState, by);
    await channel.env.passChallenge();
    return new Final(channel, finalState);
  }

  /** By challenge with a redemption. */
  static async redeemed(stream, base, redemption, by = stream.payee) {
    await stream.challengeWithClaim(base, redemption, by);
    await stream.env.passChallenge();
    return new Final(stream, redemption);
  }

  /** By the signatures of all. `conclude` alone: `concludeAndTransferAllAssets` would have to transfer a guarantee. */
  static async concluded(channel, finalState) {
    const { env, fixed, everyone } = channel;
    await env.send(env.adjudicator, "conclude", [fixed, signed(fixed, finalState, ...everyone)]);
    return new Final(channel, finalState, ZeroHash);
  }

  get allocations() {
    return this.outcome[0].allocations;
  }

  indexOf(target) {
    return this.allocations.findIndex(({ destination }) => destination === target.id);
  }

  /** The arguments of `reclaim` for what is guaranteed to `target`. */
  reclaimArgs(target, indexOfTargetInSource = this.indexOf(target)) {
    return {
      sourceChannelId: this.id,
      sourceStateHash: this.stateHash,
      sourceOutcomeBytes: encodeOutcome(this.outcome),
      sourceAssetIndex: 0,
      indexOfTargetInSource,
      targetStateHash: target.stateHash,
      targetOutcomeBytes: encodeOutcome(target.outcome),
      targetAssetIndex: 0,
    };
  }

  /** Takes what is guaranteed to `target` back among the two sides, as anybody may; resolves to the receipt. */
  async reclaim(target, { from = this.#env.accounts[8] } = {}) {
    const args = this.reclaimArgs(target);
    const receipt = await this.#env.send(this.#env.adjudicator, "reclaim", [args], { from });
    this.outcome = this.#without(args.indexOfTargetInSource, target.allocations);
    return receipt;
  }

  /** The outcome with the guarantee at `index` shared out as its target is. */
  #without(index, shares) {
    const sides = coder.decode(["bytes32", "bytes32"], this.allocations[index].metadata);
    const allocations = this.allocations.filter((_, i) => i !== index).map((allocation) => ({ ...allocation }));
    for (const [i, side] of sides.entries())
      allocations.find(({ destination }) => destination === side).amount += shares[i].amount;
    return [{ ...this.outcome[0], allocations }];
  }

  /** `transfer` of the allocations at `indices`, as anybody may call it; resolves to the receipt. The outcome stays noted. */
  transfer(indices, { from = this.#env.accounts[8] } = {}) {
    const args = [0, this.id, encodeOutcome(this.outcome), this.stateHash, indices];
    return this.#env.send(this.#env.adjudicator, "transfer", args, { from });
  }

  /** `transferAllAssets`, as anybody may call it; resolves to the receipt. */
  payOut({ from = this.#env.accounts[8] } = {}) {
    const args = [this.id, this.outcome, this.stateHash];
    return this.#env.send(this.#env.adjudicator, "transferAllAssets", args, { from });
  }
}

/** What a route's stream can pay. */
export const TOTAL = 1_000n;
/** What the two sides of every ledger of a route have of their own: its payer, its payee. */
export const OWN = [5_000n, 700n];

/**
 * A stream of TOTAL from "payer" over `hubs` hubs to "payee", and between each two neighbours a ledger that guarantees
 * it, funded by its payer. All destinations are accounts that have never held anything.
 */
export class Route {
  static #count = 0;

  constructor(env, { asset = ZeroAddress, hubs = 1, layout, allocationType, sides } = {}) {
    const name = `route ${++Route.#count}`;
    this.env = env;
    this.asset = asset;
    const people = [key("payer"), ...Array.from({ length: hubs }, (_, i) => key(`hub ${i}`)), key("payee")];
    this.stream = new VirtualStream(env, {
      asset,
      hubs: people.slice(1, -1),
      allocationType,
      destinations: [freshAddress(`${name} payer`), freshAddress(`${name} payee`)],
    });
    this.ledgers = people.slice(1).map((payee, i) => {
      const destinations = sides?.(i) ?? [freshAddress(`${name} ${i} payer`), freshAddress(`${name} ${i} payee`)];
      return new Ledger(env, { payer: people[i], payee, asset, destinations, layout });
    });
    this.base = this.stream.state(1, TOTAL, 0n);
    this.states = this.ledgers.map((ledger) => ledger.guaranteeing(9, [ledger.guarantee(this.stream, TOTAL)], OWN));
  }

  /** What a ledger holds in all. */
  get funds() {
    return OWN[0] + OWN[1] + TOTAL;
  }

  async fund({ dust = 0n } = {}) {
    for (const ledger of this.ledgers) await ledger.deposit(this.funds, { expectedHeld: dust });
    return this;
  }

  /** The payee's redemption of `earned`, some of it by ticks. */
  redemption(earned) {
    const ticks = earned < 255n ? Number(earned) : 255;
    const claim = this.stream.claim({ serial: 3, cumulativeAmount: earned - BigInt(ticks), tickPrice: 1n, ticks });
    return this.stream.redemption(claim, [TOTAL, 0n]);
  }

  /** Makes the stream final with a redemption of `earned`; nobody but the payee does anything. */
  redeem(earned) {
    return Final.redeemed(this.stream, this.base, this.redemption(earned));
  }

  /** Makes the ledger at `index` final: its payee challenges, and its payer is silent. */
  close(index) {
    return Final.challenged(this.ledgers[index], this.states[index]);
  }

  /** What the destinations of every ledger have, payer and payee, and what the adjudicator still holds for each. */
  async paid() {
    const { env, asset, ledgers } = this;
    const all = [];
    for (const { destinations, id } of ledgers) {
      const [payer, payee] = destinations;
      all.push([await env.balance(asset, payer), await env.balance(asset, payee), await env.holdings(asset, id)]);
    }
    return all;
  }

  /** What `paid` should say when the payee earned `earned`: to the unit, and nothing left. */
  owed(earned, left = 0n) {
    return this.ledgers.map(() => [OWN[0] + TOTAL - earned, OWN[1] + earned, left]);
  }
}
