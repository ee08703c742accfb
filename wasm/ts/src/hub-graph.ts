// The cheapest way through more than one hub.

import createGraph from "ngraph.graph";
import { aStar } from "ngraph.path";

import type { Leg, Way } from "./hub-routes.js";
import type { KnownHub } from "./hub-book.js";
import { feeFor } from "./peer-terms.js";
import type { Hex } from "./types.js";

/** What is known of whom. */
export interface Neighbourhood {
  readonly from: Hex;
  readonly to: Hex;
  readonly hubs: ReadonlyMap<Hex, KnownHub>;
  /** The legs that begin at somebody. */
  readonly legs: (from: Hex) => readonly Leg[];
  /** How often a way over a ledger was refused. */
  readonly refusals: (ledger: Hex) => number;
}

/** What weighs more than any fee: a way that was not refused is tried before one that was. */
const REFUSED = 1e30;

/** The cheapest way over legs of which each can carry `amount`, as far as is known. */
export function cheapestWay({ from, to, hubs, legs, refusals }: Neighbourhood, amount: bigint): Way | undefined {
  const graph = createGraph<KnownHub, Leg>();
  graph.addNode(from);
  graph.addNode(to);
  for (const [address, hub] of hubs) graph.addNode(address, hub);
  for (const start of [from, ...hubs.keys()])
    for (const leg of legs(start)) {
      const known = graph.getLink(start, leg.to);
      // Of several ledgers between the same two, the one that carries most.
      if (graph.hasNode(leg.to) && (!known || known.data.most < leg.most)) graph.addLink(start, leg.to, leg);
    }
  const finder = aStar(graph, {
    oriented: true,
    distance: (_, { data: hub }, { data: leg }) =>
      1 + (hub ? Number(feeFor(hub.hub, amount)) : 0) + refusals(leg.ledger) * REFUSED,
    blocked: (_, __, { data: leg }) => leg.most < amount,
  });
  // From the end to the start.
  const nodes = finder.find(from, to).reverse();
  if (nodes.length < 2) return undefined;
  const found = nodes.slice(1).map((node, at) => graph.getLink(nodes[at]?.id ?? "", node.id)?.data);
  return {
    hubs: nodes.slice(1, -1).map(({ data }) => data),
    legs: found.filter((leg) => leg !== undefined),
  };
}
