// The wallet that a user has in the browser (EIP-1193): it pays for deposits and gas, and prompts for each.

import { chainOf, firstAccount, type Chain, type Contracts } from "./chain.js";
import { RpcError, clip, isObject } from "./rpc.js";
import { withSignal } from "./waits.js";

/** What of EIP-1193 is used. */
export interface Eip1193Provider {
  request(call: { method: string; params?: readonly unknown[] }): Promise<unknown>;
}

export interface InjectedChainOptions {
  /** The block that the contracts were deployed in: no older one is searched. Default 0. */
  firstBlock?: number | undefined;
  /** How often a transaction is asked for until it is mined, in milliseconds. Default 1,000. */
  pollInterval?: number | undefined;
}

/**
 * A chain through a user's own wallet. It asks the user to connect when an account is first needed, and shows every
 * transaction before it is sent; a user who declines one makes it fail with `TRANSACTION_REJECTED`.
 *
 * @throws {MillstreamError} `INVALID_ARGUMENT`, `INVALID_HEX`
 */
export function injectedChain(
  provider: Eip1193Provider,
  contracts: Contracts,
  options: InjectedChainOptions = {},
): Chain {
  return chainOf(
    // A prompt cannot be taken back, so a request that is given up goes on unheard.
    (method, params, signal) => withSignal(ask(provider, method, params), signal, method),
    contracts,
    {
      ...options,
      async account(request) {
        const connected = await request("eth_accounts", []);
        if (Array.isArray(connected) && connected.length > 0) return firstAccount(connected, "eth_accounts");
        return firstAccount(await request("eth_requestAccounts", []), "eth_requestAccounts");
      },
    },
  );
}

/** Providers reject with anything; what has a code or a message is an error answer. */
async function ask(provider: Eip1193Provider, method: string, params: readonly unknown[]): Promise<unknown> {
  try {
    return await provider.request({ method, params });
  } catch (error) {
    if (!isObject(error)) throw new RpcError(clip(error), undefined, undefined);
    const { message, code, data } = error;
    throw new RpcError(clip(message), typeof code === "number" ? code : undefined, data);
  }
}
