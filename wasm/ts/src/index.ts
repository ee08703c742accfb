// Payment streams over payment channels: pay per chunk, settle in two transactions.

export { Channel } from "./channel.js";
export type {
  CloseOptions,
  CloseResult,
  LeaveOptions,
  LeaveProgress,
  PayOptions,
  PaymentHandle,
  UpdateOptions,
} from "./channel.js";
export { rpcChain } from "./chain.js";
export type { Chain, Contracts, RpcChainOptions, TransactionReceipt, TransactionRequest } from "./chain.js";
export {
  Core,
  Signer,
  claimOf,
  decodePayment,
  keccak256,
  readReceipt,
  recoverAddress,
  signDigest,
  verifySignature,
} from "./core.js";
export type { DownloadOptions, DownloadProgress, DownloadedChunk } from "./download.js";
export type { FetchOptions, PaidFetch } from "./fetch.js";
export { MillstreamError, isMillstreamError } from "./errors.js";
export type { MillstreamErrorDetails } from "./errors.js";
export { init } from "./init.js";
export type { InitInput } from "./init.js";
export type { FilmOptions } from "./film.js";
export type { HlsLoader, HlsLoaderClass } from "./hls-loader.js";
export type { HlsClass, HlsPlayer, Meter, MeterEvents, MeterState, WatchOptions } from "./meter.js";
export { fetchOffer } from "./offer.js";
export type { Offer } from "./offer.js";
export type { OpenTermsChosen } from "./opening.js";
export { exportReceipts, verifyReceipts } from "./receipts.js";
export type { InvalidReceipt, VerifiedReceipts } from "./receipts.js";
export type { Duration, SpendLimit, SpendPolicy } from "./spend-policy.js";
export { memoryStore } from "./store.js";
export type { Store } from "./store.js";
export * from "./types.js";
export { Wallet } from "./wallet.js";
export type {
  ExternalSigner,
  OnAsk,
  OpenChannelOptions,
  OpenProgress,
  OpenStep,
  PaymentReceived,
  PaidFor,
  PaymentSent,
  ReceiptReceived,
  SpendQuestion,
  WalletEvents,
  WalletOptions,
} from "./wallet.js";
