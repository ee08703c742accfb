// Two cores with an open channel between them, each with the simplest host there is: every commit is durable at once,
// and the chain says what it is told to say.

import * as ethers from "ethers";

export const NOW = 1_800_000_000;
export const CHAIN_ID = 31_337;
export const STREAM_APP = `0x${"5a".repeat(20)}`;
const ADJUDICATOR = `0x${"ad".repeat(20)}`;
const CONSENSUS_APP = `0x${"ca".repeat(20)}`;
const NATIVE = ethers.ZeroAddress;
const CONFIRMATIONS = 2;
const DEPOSIT = 2n ** 100n;
export const MEMO = ethers.id("quote");
export const PAYER_SECRET = ethers.getBytes(ethers.id("payer"));

const adjudicator = new ethers.Interface([
  "event Deposited(bytes32 indexed destination, address asset, uint256 destinationHoldings)",
]);

export class Host {
  constructor(wasm, name, config) {
    this.core = new wasm.Core({
      chainId: CHAIN_ID,
      adjudicator: ADJUDICATOR,
      streamApp: STREAM_APP,
      consensusApp: CONSENSUS_APP,
      destination: ethers.id(name).slice(0, 42),
      secret: ethers.getBytes(ethers.id(name)),
      ...config,
    });
  }

  /** Carries out every output; returns those that leave the host. */
  drain() {
    const left = [];
    for (let output; (output = this.core.pollOutput());)
      if (output.type === "commit") this.core.committed(output.id, NOW);
      else if (output.type === "load")
        // Nothing is ever dropped from memory here: what is not there does not exist.
        this.core.loaded(
          output.keys.map((key) => ({ key, version: 0, bytes: undefined })),
          NOW,
        );
      else if (output.type === "send" || output.type === "payment" || output.type === "submit") left.push(output);
    return left;
  }
}

/** Terms of a channel of the native asset to a host of that name. */
export const openTerms = (payee, name) => ({
  payee: payee.core.address(),
  payeeDestination: ethers.id(name).slice(0, 42),
  asset: NATIVE,
  deposit: DEPOSIT,
  challengeDuration: 86_400,
  confirmations: CONFIRMATIONS,
});

/** A block in which a channel came to hold so much, deep enough. */
export function deposited(channelId, amount, block) {
  const { topics, data } = adjudicator.encodeEventLog("Deposited", [channelId, NATIVE, amount]);
  const log = { address: ADJUDICATOR, topics, data: ethers.getBytes(data), block, logIndex: 0 };
  return { fromBlock: block, headBlock: block + CONFIRMATIONS, headTime: NOW, logs: [log] };
}

/**
 * Opens a channel of the native asset. `config` is what the payer's core has beside the usual: a lease.
 *
 * @returns {{ payer: Host, payee: Host, channelId: string, pay: (ticks?: number) => Uint8Array, accept: (payment: Uint8Array) => string }}
 *   `pay` is the payer's whole path for one base unit, which prepares for so many more, from the call to the bytes of the payment; `accept` the payee's,
 *   from the bytes to a durable record. Both include what a host does, without the store itself.
 */
export function openChannel(wasm, config) {
  const payer = new Host(wasm, "payer", config);
  const payee = new Host(wasm, "payee");
  const channelId = payer.core.openChannel(openTerms(payee, "payee"), NOW);
  talk(payer, payee);
  const update = deposited(channelId, DEPOSIT, 1);
  for (const { core } of [payer, payee]) core.chainUpdate(update, NOW);
  talk(payer, payee);
  for (const { core } of [payer, payee]) {
    const { status } = core.channel(channelId);
    if (status !== "open") throw new Error(`the channel is ${status} after its deposit`);
  }
  const pay = (ticks = 0) => {
    payer.core.pay(channelId, 1n, { memo: MEMO }, ticks, NOW);
    return payer.drain()[0].bytes;
  };
  const accept = (payment) => {
    const paid = payee.core.payment(payment, NOW);
    payee.drain();
    return paid;
  };
  return { payer, payee, channelId, pay, accept };
}

/** Delivers a message; again if the other side has to look for the channel first. */
function deliver(to, bytes) {
  try {
    to.core.message(bytes, NOW);
  } catch (error) {
    if (error.code !== "CHANNEL_LOADING") throw error;
    to.drain();
    to.core.message(bytes, NOW);
  }
}

/** Delivers messages both ways until there are none. */
function talk(a, b) {
  for (let sent = true; sent;) {
    sent = false;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ])
      for (const output of from.drain())
        if (output.type === "send") {
          deliver(to, output.bytes);
          sent = true;
        }
  }
}
