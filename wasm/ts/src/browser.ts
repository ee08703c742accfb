// What only a browser has.

export { injectedChain } from "./injected.js";
export type { Eip1193Provider, InjectedChainOptions } from "./injected.js";
