// Small helpers over the DOM.

/** The element with this id. The page's HTML and its scripts are published together, so a missing one is a defect. */
export function byId<T extends HTMLElement = HTMLElement>(id: string, type?: new () => T): T {
  const element = document.getElementById(id);
  if (!element || (type && !(element instanceof type))) throw new Error(`the page has no ${type?.name ?? ""} #${id}`);
  return element as T;
}

/** A new element with attributes and children; strings become text. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Shows a figure: `text` for people, `value` exactly (base units, bytes, counts) as `data-value` for whoever checks or
 * copies it.
 */
export function figure(id: string, text: string, value: bigint | number | string): void {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
  element.dataset["value"] = String(value);
}

/** The status line, which screen readers speak. */
export function say(text: string): void {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
}

/** Enables or disables a button. A keyboard user whose button goes away is brought to `next`, if that can be used. */
export function enable(button: HTMLButtonElement, enabled: boolean, next?: HTMLButtonElement): void {
  const focused = document.activeElement === button;
  button.disabled = !enabled;
  if (focused && !enabled && next && !next.disabled && !next.hidden) next.focus({ preventScroll: true });
}
