// What only Node has.

export { fileStore } from "./file-store.js";
export type { FileStore } from "./file-store.js";
