// The bought file: put together, hashed, shown and saved.

import { byId, make } from "./dom.js";
import type { Session } from "./session.js";

let url: string | undefined;

/** Shows the file once every chunk is there. @returns its SHA-256 in hex */
export async function showResult({ chunks, config }: Session): Promise<string> {
  const { name, contentType } = config.item;
  const parts = chunks.filter((chunk) => chunk !== undefined) as Uint8Array<ArrayBuffer>[];
  const blob = new Blob(parts, { type: contentType });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");

  if (url) URL.revokeObjectURL(url);
  url = URL.createObjectURL(blob);
  const save = byId("save", HTMLAnchorElement);
  save.href = url;
  save.download = name;
  save.textContent = `Save ${name}`;
  byId("sha256").textContent = sha256;
  byId("preview").replaceChildren(preview(url, contentType, name));
  byId("result").hidden = false;
  return sha256;
}

function preview(source: string, contentType: string, name: string): HTMLElement {
  const [family] = contentType.split("/");
  const label = { "aria-label": name };
  if (family === "video") return make("video", { src: source, controls: "", playsinline: "", ...label });
  if (family === "audio") return make("audio", { src: source, controls: "", ...label });
  if (family === "image") return make("img", { src: source, alt: name });
  return make("p", { class: "hint" }, `A browser has no preview of ${contentType}; save the file to open it.`);
}
