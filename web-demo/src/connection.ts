// Who pays the deposit: an account of the development chain, or a wallet that is installed in the browser (EIP-6963).

import { MillstreamError, rpcChain, type Chain } from "millstream";
import { injectedChain, type Eip1193Provider } from "millstream/browser";

import { byId, make } from "./dom.js";
import { short } from "./format.js";
import type { Remedy } from "./errors.js";
import type { Session } from "./session.js";

interface AnnouncedWallet {
  readonly info: { readonly uuid: string; readonly name: string; readonly icon: string };
  readonly provider: Eip1193Provider;
}

const POLL_MS = 500;
/** More than the gas of a deposit and a close at any price a development chain asks, in wei. */
const GAS_ALLOWANCE = 10n ** 16n;
const GIFT = 10n ** 18n;

const wallets = new Map<string, AnnouncedWallet>();
let chosen: AnnouncedWallet | undefined;
let connected: { by: AnnouncedWallet | undefined; chain: Chain } | undefined;

/** Shows the choices, and adds the browser's wallets as they announce themselves. */
export function offerConnections(session: Session): void {
  const options = byId("connection-options");
  const add = (label: string, icon: string | undefined, wallet: AnnouncedWallet | undefined) => {
    const input = make("input", { type: "radio", name: "connection", value: wallet?.info.uuid ?? "development" });
    input.checked = wallet === undefined;
    input.addEventListener("change", () => {
      chosen = wallet;
      describeChoice(session);
    });
    options.append(make("label", {}, input, ...(icon ? [make("img", { src: icon, alt: "" })] : []), label));
  };
  add("Development account", undefined, undefined);
  describeChoice(session);

  window.addEventListener("eip6963:announceProvider", (event) => {
    const { detail } = event as CustomEvent<AnnouncedWallet>;
    if (!detail?.info?.uuid || wallets.has(detail.info.uuid)) return;
    wallets.set(detail.info.uuid, detail);
    // Only icons that are part of the announcement: anything else would be a request to a foreign server.
    const icon = /^data:image\//.test(detail.info.icon) ? detail.info.icon : undefined;
    add(detail.info.name, icon, detail);
  });
  window.dispatchEvent(new Event("eip6963:requestProvider"));

  const fieldset = byId("connection", HTMLFieldSetElement);
  session.watch(() => {
    fieldset.disabled = session.phase !== "start";
  });
}

function describeChoice({ config }: Session): void {
  byId("connection-hint").textContent = chosen
    ? `${chosen.info.name} asks you to confirm the deposit and the close. It needs the development chain: id ` +
      `${config.contracts.chainId}, RPC ${config.walletRpcUrl}.`
    : `An unlocked account of the development chain, ${short(config.accounts.buyer)}. Nothing to install, nothing to confirm.`;
}

/** The chain as the chosen account uses it; the same one until another account is chosen. */
export function connect({ config }: Session): Chain {
  if (connected && connected.by === chosen) return connected.chain;
  const chain = chosen
    ? injectedChain(chosen.provider, config.contracts)
    : rpcChain({
        url: config.rpcUrl,
        contracts: config.contracts,
        account: config.accounts.buyer,
        pollInterval: POLL_MS,
      });
  connected = { by: chosen, chain };
  return chain;
}

/**
 * Checks that the account can pay `deposit` wei and gas.
 *
 * @throws {MillstreamError} FUNDS_MISSING
 */
export async function checkFunds({ view }: Session, account: `0x${string}`, deposit: bigint): Promise<void> {
  if ((await view.balance(account)) >= deposit + GAS_ALLOWANCE) return;
  throw new MillstreamError("FUNDS_MISSING", `account ${short(account)} has less than the deposit and the gas for it`);
}

/** What to offer after a failed connection; `again` repeats what failed. */
export function remedyFor(code: string, session: Session, again: () => Promise<void>): Remedy | undefined {
  const { config, view } = session;
  const { chainId } = config.contracts;
  if (code === "WRONG_CHAIN" && chosen) {
    const { provider, info } = chosen;
    const chain = {
      chainId: `0x${chainId.toString(16)}`,
      chainName: "Millstream development chain",
      rpcUrls: [config.walletRpcUrl],
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    };
    return {
      label: `Add the chain to ${info.name}`,
      async run() {
        await provider.request({ method: "wallet_addEthereumChain", params: [chain] });
        await again();
      },
    };
  }
  const { account } = session;
  if (code === "FUNDS_MISSING" && account)
    return {
      label: "Take 1 ETH from the chain's tap",
      async run() {
        const gift = { from: config.accounts.tap, to: account, value: `0x${GIFT.toString(16)}` };
        const before = await view.balance(account);
        await view.rpc("eth_sendTransaction", [gift]);
        while ((await view.balance(account)) === before) await new Promise((resolve) => setTimeout(resolve, 250));
        await again();
      },
    };
  return undefined;
}
