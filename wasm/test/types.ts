// Compiled, never run: what the published declarations promise, as a user of the package sees them.

import {
  Core,
  MillstreamError,
  Wallet,
  fetchOffer,
  isMillstreamError,
  memoryStore,
  rpcChain,
  type Chain,
  type Channel,
  type CloseResult,
  type CoreEvent,
  type DownloadedChunk,
  type ExternalSigner,
  type Hex,
  type HlsPlayer,
  type Meter,
  type MeterState,
  type Offer,
  type Output,
  type PaymentHandle,
  type QuoteUnit,
  type Store,
} from "millstream";
import { injectedChain, type Eip1193Provider } from "millstream/browser";
import { fileStore } from "millstream/node";
import { Hub, Seller, type ClaimOutcome, type HubTerms, type SellerAccount } from "millstream/server";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type IsAny<T> = 0 extends 1 & T ? true : false;
declare function check<_ extends true>(): void;
declare const contracts: { chainId: number; adjudicator: Hex; streamApp: Hex; consensusApp: Hex };
declare const provider: Eip1193Provider;

// Amounts are bigint, times numbers, bytes Uint8Array.
check<Equal<PaymentHandle["amount"], bigint>>();
check<Equal<CloseResult["refunded"], bigint>>();
check<Equal<Offer["total"], bigint>>();
check<Equal<Offer["expiresAt"], number>>();
check<Equal<Channel["remaining"], bigint>>();
check<Equal<DownloadedChunk["bytes"], Uint8Array>>();
check<Equal<Awaited<ReturnType<Wallet["receiveMessage"]>>, Uint8Array[]>>();
check<Equal<Awaited<ReturnType<Wallet["openChannel"]>>, Channel>>();
check<Equal<Awaited<ReturnType<Hub["link"]>>, Channel>>();
check<Equal<HubTerms["links"][number]["send"], bigint>>();
check<Equal<NonNullable<Channel["info"]["downstream"]>["stage"], "idle" | "offered" | "held" | "released">>();

// Nothing is `any`.
type Methods<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? [IsAny<A>, IsAny<R>, IsAny<A[number]>] : false;
};
type NoAny<T> = true extends { [K in keyof T]: T[K] extends boolean[] ? T[K][number] : T[K] }[keyof T] ? false : true;
check<NoAny<Methods<Core>>>();
check<NoAny<Methods<Wallet>>>();
check<NoAny<Methods<Channel>>>();
check<NoAny<Methods<Chain>>>();
check<NoAny<Methods<Store>>>();
check<NoAny<Methods<Hub>>>();
check<Equal<IsAny<Output>, false>>();

// Outputs and events are told apart by their type, and exhaustively.
export function carryOut(output: Output): string | bigint | number {
  switch (output.type) {
    case "commit":
      return output.writes.length;
    case "load":
      return output.keys[0] ?? "none";
    case "send":
      return output.bytes.length;
    case "payment":
      return output.cumulativeAmount;
    case "sign":
      check<Equal<typeof output.purpose, "state" | "voucher" | "challenge" | "message">>();
      return output.digest.length;
    case "submit":
      return output.value;
    case "ask":
      return output.question.limit;
    case "notify":
      return happened(output.event);
    case "wakeAt":
      return output.time;
    default: {
      const rest: never = output;
      return rest;
    }
  }
}

function happened(event: CoreEvent): string {
  if (event.type === "closed") check<Equal<(typeof event)["paid"], bigint>>();
  // @ts-expect-error only some events have an amount
  return String(event.amount);
}

export async function use(): Promise<void> {
  const chain = rpcChain({ url: "http://127.0.0.1:8545", contracts });
  await using wallet = await Wallet.open({ chain, store: memoryStore(), policy: { minDeposit: 5n } });
  await Wallet.open({ chain: injectedChain(provider, contracts), store: fileStore("wallet") });
  // @ts-expect-error a chain is needed
  await Wallet.open({});
  // @ts-expect-error amounts are not numbers
  await Wallet.open({ chain, policy: { minDeposit: 5 } });

  const off: () => void = wallet.on("payment", ({ amount, signMs }) => {
    check<Equal<typeof amount, bigint>>();
    check<Equal<typeof signMs, number>>();
  });
  off();
  wallet.on("error", ({ error, channelId }) => {
    check<Equal<typeof error, MillstreamError>>();
    check<Equal<typeof channelId, Hex | undefined>>();
  });
  // @ts-expect-error there is no such event
  wallet.on("paid", () => {});

  wallet.on("receipt", ({ origin, receipt }) => {
    check<Equal<typeof origin, string>>();
    check<Equal<typeof receipt, Uint8Array>>();
  });

  // A fetch like any other, also alone.
  const { fetch: pay } = wallet;
  const standard: typeof globalThis.fetch = pay;
  const response = await standard(new URL("https://seller.test/paper.pdf"), { signal: AbortSignal.timeout(1_000) });
  check<Equal<typeof response, Response>>();
  await pay("https://seller.test/paper.pdf", {}, { parallel: 2, window: 5n });
  // @ts-expect-error amounts are not numbers
  await pay("https://seller.test/paper.pdf", {}, { window: 5 });

  const offer = await fetchOffer("https://seller.test/film.mp4", wallet);
  const channel = await wallet.openChannel({
    seller: offer,
    deposit: 100n,
    onProgress(step, { transactionHash }) {
      check<Equal<typeof step, "proposed" | "accepted" | "depositing" | "confirming" | "open">>();
      check<Equal<typeof transactionHash, Hex | undefined>>();
    },
  });
  // @ts-expect-error amounts are not numbers
  await channel.pay(5);
  await channel.topUp(5n, { signal: AbortSignal.timeout(1_000) });
  const successor = await channel.withdraw(5n);
  check<Equal<typeof successor, Channel>>();
  check<Equal<typeof channel.successor, Channel | undefined>>();
  const signer: ExternalSigner = { address: "0x", signDigest: async (digest, purpose) => digest.slice(purpose.length) };
  await Wallet.open({ chain, signer, lease: { payments: 5, amount: 5n } });
  // @ts-expect-error ids are hex
  wallet.channel("channel");
  // @ts-expect-error made by wallets only
  new (channel.constructor as typeof import("millstream").Channel)();
  for await (const chunk of wallet.download(offer.url, { channel })) check<Equal<typeof chunk, DownloadedChunk>>();

  try {
    await channel.close({ signal: AbortSignal.timeout(1_000) });
  } catch (error) {
    if (isMillstreamError(error)) check<Equal<typeof error.code, string>>();
  }
  const video = document.createElement("video");
  class Player implements HlsPlayer {
    loadSource(): void {}
    attachMedia(): void {}
    startLoad(): void {}
    destroy(): void {}
    level = 0;
  }
  using meter = wallet.watch(video, "film/master.m3u8", { Hls: Player });
  check<Equal<typeof meter, Meter<Player>>>();
  check<Equal<typeof meter.state, MeterState>>();
  check<Equal<typeof meter.paid, bigint>>();
  meter.player?.level.toFixed();
  meter.on("payment", ({ amount, index }) => {
    check<Equal<typeof amount, bigint>>();
    check<Equal<typeof index, number | undefined>>();
  });
  meter.on("error", ({ error }) => error.code);
  await meter.stop({ settle: true });
  // @ts-expect-error it needs a video
  wallet.watch("film/master.m3u8");
  const seller = await Seller.open({ chain });
  check<Equal<ReturnType<Seller["handle"]>, Promise<Response>>>();
  const listing = await seller.addFolder("/film/", "film", { price: 5n, unit: "second", credit: 50n });
  check<Equal<typeof listing.unit, QuoteUnit>>();
  // @ts-expect-error only content has a duration
  await seller.addFolder("/film/", "film", { price: 5n, duration: 10 });
  for (const account of await seller.accounts()) {
    check<Equal<typeof account, SellerAccount>>();
    check<Equal<typeof account.paidOut, bigint | undefined>>();
    const claimed = await seller.claim(account.channelId, { alone: true });
    check<Equal<typeof claimed, CloseResult>>();
  }
  const several = await seller.claim({ above: 5n });
  check<Equal<typeof several, ClaimOutcome[]>>();
  await seller.stop();
}
