// A process of its own that is asked to do things, and says what came of them.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Starts a module of this folder as a process.
 *
 * @param {string} name "seller.mjs"
 * @param {string[]} [execArgv] options of Node
 * @returns {{ ask: (what: string, ...args: unknown[]) => Promise<any>, stop: () => Promise<void> }} `ask` calls one of the
 *   functions that the module gives to {@link answerParent}
 */
export function startChild(name, execArgv = []) {
  const child = fork(fileURLToPath(new URL(name, import.meta.url)), { serialization: "advanced", execArgv });
  const waiting = new Map();
  let last = 0;
  child.on("message", ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(`${name}: ${error}`));
  });
  const gone = new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`${name} ended (${signal ?? code})`));
      waiting.clear();
      resolve();
    });
  });
  return {
    ask: (what, ...args) =>
      new Promise((resolve, reject) => {
        waiting.set((last += 1), { resolve, reject });
        child.send({ id: last, what, args });
      }),
    async stop() {
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

/**
 * In the child: does what it is asked until its parent lets it go, or is gone.
 *
 * @param {Record<string, (...args: any[]) => unknown>} functions
 */
export function answerParent(functions) {
  process.on("message", async ({ id, what, args }) => {
    try {
      process.send({ id, result: await functions[what](...args) });
    } catch (error) {
      process.send({ id, error: error.stack ?? String(error) });
    }
  });
  process.on("disconnect", () => process.exit(0));
}
