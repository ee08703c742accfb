// The hub of a benchmark, in a process of its own, with a store on the disk.

import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";

import { rpcChain } from "millstream";
import { fileStore } from "millstream/node";
import { Hub, nodeHandler } from "millstream/server";

import { answerParent } from "./child.mjs";

let hub;

answerParent({
  async start({ chainUrl, contracts, account, folder, fee }) {
    hub = await Hub.open({
      chain: rpcChain({ url: chainUrl, contracts, account, pollInterval: 50 }),
      store: fileStore(join(folder, "hub")),
      confirmations: 1,
      policy: { minConfirmations: 1 },
      fee,
    });
    const server = createServer(nodeHandler((request) => hub.handle(request)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server.address().port;
  },
  /** Opens a ledger with a seller. */
  link: async (url, deposit) => void (await hub.link(url, { deposit })),
});
