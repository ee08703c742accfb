// ESLint looks for mistakes in plain JavaScript; TypeScript is checked by `tsc` in strict mode, form by Prettier.

import { builtinRules } from "eslint/use-at-your-own-risk";

// The rules ESLint itself recommends, as the separate package @eslint/js lists them.
const recommended = Object.fromEntries(
  [...builtinRules].filter(([, rule]) => rule.meta.docs.recommended).map(([name]) => [name, "error"]),
);

const readonly = (names) =>
  Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, "readonly"]),
  );

const everywhere = readonly(`
  AbortController AbortSignal Blob BroadcastChannel CompressionStream CustomEvent DOMException DecompressionStream Event
  EventTarget FormData Headers MessageChannel ReadableStream Request Response TextDecoder TextEncoder TransformStream URL
  URLSearchParams WebAssembly WebSocket WritableStream atob btoa clearInterval clearTimeout console crypto fetch
  globalThis performance queueMicrotask setInterval setTimeout structuredClone
`);
const node = readonly("Buffer process setImmediate clearImmediate global");
const browser = readonly(`
  HTMLElement IDBKeyRange IntersectionObserver MutationObserver Node Notification SharedWorker Worker
  addEventListener alert caches cancelAnimationFrame customElements document history indexedDB localStorage location
  matchMedia navigator postMessage requestAnimationFrame self sessionStorage window
`);

export default [
  { ignores: ["**/dist/", "**/pkg/", "target/", "contracts/out/", "tests/vectors/"] },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: {
      ecmaVersion: "latest",
      sourceType: "module",
      // Tests hand functions to a browser to run, so a script of Node may name what only pages have.
      globals: { ...everywhere, ...node, ...browser },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      ...recommended,
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
