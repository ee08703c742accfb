// The chunks of the file as squares: paid and verified, in flight, missing. Never by colour alone: full, striped, empty.

import { byId, figure, make } from "./dom.js";
import { bytes, count, integer } from "./format.js";
import type { Session } from "./session.js";

/** Larger files share squares, so that the page does not grow with them. */
const MAX_CELLS = 400;

export function showChunks(session: Session): void {
  const grid = byId("chunks");
  const total = session.chunks.length;
  const perCell = Math.ceil(total / MAX_CELLS);
  const cells = Array.from({ length: Math.ceil(total / perCell) }, () => make("span", { class: "cell" }));
  grid.replaceChildren(...cells);

  session.watch(() => {
    const { chunks, inFlight, config } = session;
    let received = 0;
    let length = 0;
    for (const [at, cell] of cells.entries()) {
      const first = at * perCell;
      const last = Math.min(first + perCell, total);
      let paid = 0;
      for (let index = first; index < last; index += 1) {
        const chunk = chunks[index];
        if (!chunk) continue;
        paid += 1;
        length += chunk.length;
      }
      received += paid;
      const flying = inFlight !== undefined && inFlight >= first && inFlight < last && !chunks[inFlight];
      const state = flying ? "flight" : paid === last - first ? "paid" : paid > 0 ? "part" : "";
      const name = `cell ${state}`.trim();
      if (cell.className !== name) cell.className = name;
    }
    const flying = inFlight !== undefined && !chunks[inFlight] ? 1 : 0;
    const missing = total - received - flying;
    figure("count-paid", integer(received), received);
    figure("count-flight", integer(flying), flying);
    figure("count-missing", integer(missing), missing);
    const each = perCell > 1 ? `, one square for ${count(perCell, "chunk")}` : "";
    grid.setAttribute("aria-label", `${received} of ${count(total, "chunk")} paid and verified${each}`);
    figure("bytes", `${bytes(length)} of ${bytes(config.item.length)}`, length);
  });
}
