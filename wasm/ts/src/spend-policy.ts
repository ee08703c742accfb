// What the owner lets a wallet pay, in words of the owner; the core holds every payment against it.

import { keccak256 } from "./core.js";
import { toHex } from "./encoding.js";
import { MillstreamError, checkHex, checkInteger } from "./errors.js";
import type { Hex, SpendRule } from "./types.js";

/** A length of time: seconds, or `"30s"`, `"15m"`, `"1h"`, `"1d"`, `"1w"`. */
export type Duration = number | `${number}${"s" | "m" | "h" | "d" | "w"}`;

/** At most so much within any stretch of time of that length. */
export interface SpendLimit {
  /** In base units. */
  limit: bigint;
  /** Default a day. */
  window?: Duration | undefined;
  /** The only asset that it is for (zero address: native). Default: every asset, each by itself. */
  asset?: Hex | undefined;
}

/**
 * What a wallet may pay. The windows slide: at no time was more than the limit paid in the window that ends then. What an
 * open voucher can still pay counts as paid. Amounts in base units; of each asset by itself, unless a rule names one.
 *
 * A payment above a rule is refused with `SPEND_LIMIT`, and announced as "spendRefused".
 */
export interface SpendPolicy {
  /** The most that one payment may be. */
  perPayment?: bigint | SpendLimit | undefined;
  /** To one seller's key. */
  perPayee?: SpendLimit | undefined;
  /** On one origin, such as `https://films.example`, as the buying code names it. */
  perOrigin?: SpendLimit | undefined;
  /** For one piece of content. */
  perFile?: SpendLimit | undefined;
  /** Within any minute. */
  perMinute?: bigint | undefined;
  /** Of all payments together. */
  total?: SpendLimit | undefined;
  /** Above this for one piece of content within the window (default a day) the owner is asked; a yes is good for as much again. */
  askAbove?: bigint | SpendLimit | undefined;
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 } as const;
const DAY = SECONDS.d;
/** The core's rules are in seconds of at most 48 bits; nobody remembers more than this. */
const LONGEST_WINDOW = 10 * 366 * DAY;

/** The rules of a policy, as the core takes them. @throws {MillstreamError} INVALID_ARGUMENT, INVALID_HEX */
export function spendRules(policy: SpendPolicy): SpendRule[] {
  const { perPayment, perPayee, perOrigin, perFile, perMinute, total, askAbove } = policy;
  const rules: (SpendRule | undefined)[] = [
    rule("perPayment", "payment", perPayment),
    rule("perPayee", "payee", perPayee),
    rule("perOrigin", "origin", perOrigin),
    rule("perFile", "file", perFile),
    rule("perMinute", "total", perMinute === undefined ? undefined : { limit: perMinute, window: SECONDS.m }),
    rule("total", "total", total),
    rule("askAbove", "file", askAbove, true),
  ];
  return rules.filter((it) => it !== undefined);
}

function rule(
  field: keyof SpendPolicy,
  scope: SpendRule["scope"],
  given: bigint | SpendLimit | undefined,
  asks = false,
): SpendRule | undefined {
  if (given === undefined) return undefined;
  const { limit, window = DAY, asset } = typeof given === "object" ? (given ?? { limit: given }) : { limit: given };
  if (typeof limit !== "bigint" || limit < 0n)
    throw new MillstreamError("INVALID_ARGUMENT", `the limit of ${field} must be a bigint in base units`, {
      details: { field },
    });
  return {
    scope,
    limit,
    window: seconds(window, field),
    asks,
    ...(asset !== undefined && { asset: checkHex(asset, field, 20) }),
  };
}

function seconds(duration: Duration, field: string): number {
  if (typeof duration === "number") return checkInteger(duration, field, 1, LONGEST_WINDOW);
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(duration) ?? [];
  if (count === undefined)
    throw new MillstreamError("INVALID_ARGUMENT", `the window of ${field} must be seconds or such as "15m" or "1d"`, {
      details: { field },
    });
  return checkInteger(Number(count) * SECONDS[unit as keyof typeof SECONDS], field, 1, LONGEST_WINDOW);
}

/** How long a name of an origin or of content may be, in characters. */
const MAX_NAME = 4_096;
const MAX_NAMES = 256;
const names = new Map<string, Hex>();

/** What stands for a name in the core's log: its hash. A hash stands for itself. */
export function hashOfName(name: string, field: string): Hex {
  if (/^0x[0-9a-f]{64}$/.test(name)) return name as Hex;
  const known = names.get(name);
  if (known !== undefined) return known;
  if (typeof name !== "string" || name.length > MAX_NAME)
    throw new MillstreamError("INVALID_ARGUMENT", `${field} must be a string of at most ${MAX_NAME} characters`, {
      details: { field },
    });
  const hash = toHex(keccak256(new TextEncoder().encode(name)));
  if (names.size >= MAX_NAMES) names.clear();
  names.set(name, hash);
  return hash;
}
