#!/usr/bin/env node
// The command of the package: `npx millstream verify FILE` checks receipts, offline.

import { readFile } from "node:fs/promises";
import { argv, exit, stderr, stdout } from "node:process";

import { isMillstreamError } from "./errors.js";
import { verifyReceipts } from "./receipts.js";

const USAGE = `usage: millstream verify FILE [--seller ADDRESS] [--json]

Checks every receipt in FILE, as exportReceipts wrote it. It asks nobody: no network, no chain, no wallet.
  --seller ADDRESS   also ask that this seller signed them
  --json             print one JSON object instead of lines
Ends with "N valid, N invalid" and status 0 if all are valid, 1 if not, 2 if FILE cannot be read.
`;

async function main(args: string[]): Promise<number> {
  const json = take(args, "--json");
  const seller = value(args, "--seller")?.toLowerCase();
  const [command, file, ...rest] = args;
  if (command !== "verify" || file === undefined || rest.length > 0 || seller === "") {
    stderr.write(USAGE);
    return 2;
  }
  const { issuer, valid, invalid } = await verifyReceipts(await readFile(file, "utf8"));
  const isSeller = seller === undefined || seller === issuer.seller;
  const all = valid.length > 0 && invalid.length === 0 && isSeller;
  if (json) {
    const plain = (_key: string, field: unknown) => (typeof field === "bigint" ? String(field) : field);
    stdout.write(`${JSON.stringify({ ok: all, issuer, valid, invalid }, plain)}\n`);
    return all ? 0 : 1;
  }
  stdout.write(`seller ${issuer.seller} on chain ${issuer.chainId}, payments through ${issuer.streamApp}\n`);
  for (const { quote, chunk, chunks, cumulativeAmount, issuedAt } of valid) {
    const time = new Date(issuedAt * 1_000).toISOString();
    stdout.write(`valid    ${time}  quote ${quote}  chunk ${chunk} (${chunks} in all)  paid ${cumulativeAmount}\n`);
  }
  for (const { index, code, message } of invalid) stdout.write(`INVALID  receipt ${index}: ${code} (${message})\n`);
  if (!isSeller) stdout.write(`INVALID  signed by ${issuer.seller}, not by ${seller}\n`);
  stdout.write(`${isSeller ? valid.length : 0} valid, ${invalid.length + (isSeller ? 0 : valid.length)} invalid\n`);
  return all ? 0 : 1;
}

function take(args: string[], flag: string): boolean {
  const at = args.indexOf(flag);
  if (at >= 0) args.splice(at, 1);
  return at >= 0;
}

function value(args: string[], flag: string): string | undefined {
  const at = args.indexOf(flag);
  return at < 0 ? undefined : (args.splice(at, 2)[1] ?? "");
}

try {
  exit(await main(argv.slice(2)));
} catch (error) {
  stderr.write(`millstream: ${isMillstreamError(error) ? `${error.code}: ` : ""}${String((error as Error).message)}\n`);
  exit(2);
}
