// Values as people read them. Nothing is rounded that somebody may add up.

const ETHER = 10n ** 18n;

/** An amount in wei as a decimal number of ether, exact: "0.00025". */
export function ether(wei: bigint): string {
  const sign = wei < 0n ? "−" : "";
  const positive = wei < 0n ? -wei : wei;
  const fraction = (positive % ETHER).toString().padStart(18, "0").replace(/0+$/, "");
  return `${sign}${positive / ETHER}${fraction && `.${fraction}`}`;
}

/** An amount in wei with its unit. */
export const amount = (wei: bigint): string => `${ether(wei)} ETH`;

/** Reads a decimal number of ether, also with a comma; `undefined` if it is none or has more than 18 decimals. */
export function parseEther(text: string): bigint | undefined {
  const [, whole, fraction = ""] = /^\s*(\d{1,20})(?:[.,](\d{0,18}))?\s*$/.exec(text) ?? [];
  return whole === undefined ? undefined : BigInt(whole) * ETHER + BigInt(fraction.padEnd(18, "0"));
}

/** A number of bytes: "1.3 MB". */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = count / 1000;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

/** A whole number with thousands separated. */
export const integer = (value: number | bigint): string => value.toLocaleString("en");

/** Milliseconds: "0.42 ms", "12.3 ms", "1.24 s". */
export function milliseconds(value: number): string {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
}

/** The two ends of a hash or an address; the whole belongs into a title. */
export const short = (hex: string): string => (hex.length <= 14 ? hex : `${hex.slice(0, 8)}…${hex.slice(-4)}`);

/** "1 chunk", "20 chunks". */
export const count = (value: number, noun: string): string => `${integer(value)} ${noun}${value === 1 ? "" : "s"}`;
