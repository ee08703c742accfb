// The demo's hub: on a port of its own, with a ledger to the seller. It can be switched off, and counts what it is told.

import { createServer } from "node:http";

import { rpcChain } from "millstream";
import { Hub, nodeHandler } from "millstream/server";

/** What the hub puts into its ledger with the seller: so many times what the file costs. */
const SHARE = 10n;
/** How long a ledger is waited for that still carries a channel which was closed just now, in milliseconds. */
const PATIENCE = 5_000;

/**
 * @typedef {object} DemoHub
 * @property {Hub} hub
 * @property {string} url
 * @property {string} account its own on chain
 * @property {number} messages how many it was sent
 * @property {(open: boolean) => void} setOpen a hub that is switched off cuts every connection; its wallet goes on
 * @property {(sellerUrl: string, total: bigint) => Promise<void>} reach opens a ledger with the seller, unless there is one
 * @property {() => Promise<void>} settle closes it
 * @property {() => Promise<void>} stop
 */

/**
 * Starts a hub.
 *
 * @param {object} options
 * @param {string} options.chainUrl
 * @param {object} options.contracts
 * @param {string} options.account
 * @param {bigint} options.fee what a channel through it costs, in wei
 * @param {object} options.terms `challengeDuration`, `confirmations` and `policy` as the seller has them
 * @returns {Promise<DemoHub>}
 */
export async function startHub({ chainUrl, contracts, account, fee, terms }) {
  const hub = await Hub.open({
    chain: rpcChain({ url: chainUrl, contracts, account, pollInterval: 250 }),
    fee,
    pollInterval: 250,
    ...terms,
  });
  let isOpen = true;
  let messages = 0;
  const answer = nodeHandler((request) => {
    if (request.method === "POST") messages += 1;
    return hub.handle(request);
  });
  const server = createServer((request, response) => {
    if (isOpen) answer(request, response);
    else request.socket.destroy(); // as if there were no server
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });

  const ledger = () => hub.wallet.channels().find(({ sellerUrl, status }) => sellerUrl && status === "open");
  let opening;
  return {
    hub,
    account,
    url: `http://127.0.0.1:${server.address().port}`,
    get messages() {
      return messages;
    },
    setOpen(open) {
      isOpen = open;
    },
    async reach(sellerUrl, total) {
      if (!ledger())
        await (opening ??= hub.link(sellerUrl, { deposit: SHARE * total }).finally(() => (opening = null)));
    },
    async settle() {
      const open = ledger();
      const end = Date.now() + PATIENCE;
      while (open?.info.guarantees > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
      await open?.close();
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await hub.stop();
    },
  };
}
