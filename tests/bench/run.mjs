// Runs the benchmarks and prints a table of each, then what they say about the targets.
//
//   node tests/bench/run.mjs [--json] [--quick] [--only crypto,voucher,machine,stream,work,virtual,download,x402,size]
//
// With --json the last line is one JSON object; its keys are listed in README.md.

import { cpus } from "node:os";
import { parseArgs } from "node:util";

import * as crypto from "./crypto.mjs";
import * as download from "./download.mjs";
import { DURATIONS } from "./harness.mjs";
import * as machine from "./machine.mjs";
import * as size from "./size.mjs";
import * as stream from "./stream.mjs";
import { judge } from "./targets.mjs";
import * as virtual from "./virtual.mjs";
import * as voucher from "./voucher.mjs";
import * as work from "./work.mjs";
import * as x402 from "./x402.mjs";

const SUITES = { crypto, voucher, machine, stream, work, virtual, download, x402, size };
const USAGE = `usage: node tests/bench/run.mjs [--json] [--quick] [--only ${Object.keys(SUITES).join(",")}]`;

function options() {
  try {
    const { values } = parseArgs({
      options: { json: { type: "boolean" }, quick: { type: "boolean" }, only: { type: "string" } },
    });
    const names = values.only?.split(",") ?? Object.keys(SUITES);
    const unknown = names.filter((name) => !Object.hasOwn(SUITES, name));
    if (unknown.length > 0) throw new Error(`no such suite: ${unknown.join(", ")}`);
    return { ...values, names };
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

/** Prints rows of words in columns, the first one to the left and the others to the right. */
function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows)
    console.log(
      `  ${row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("   ")}`.trimEnd(),
    );
}

const count = (number) => Math.round(number).toLocaleString("en-US");
const micros = (us) => us.toFixed(us < 100 ? 2 : 1);

function printOperations({ title, operations }) {
  for (const { key, rows } of operations) {
    console.log(`\n${title}: ${key}`);
    printTable([
      ["", "median µs", "spread", "per second", "time against wasm"],
      ...rows.map(({ name, us, spread, perSecond, ratio }) => [
        name,
        micros(us),
        `±${(100 * spread).toFixed(1)} %`,
        count(perSecond),
        `${ratio.toFixed(2)}x`,
      ]),
    ]);
  }
}

function printSizes({ title, rows, note }) {
  console.log(`\n${title}, bytes`);
  printTable([
    ["", "raw", "gzip", "brotli", ""],
    ...rows.map(({ name, raw, gzip, brotli, from }) => [name, count(raw), count(gzip), count(brotli), from]),
  ]);
  if (note) console.log(`  ${note}`);
}

function printFigures({ title, tables }) {
  for (const [[heading, ...columns], ...rows] of tables) {
    console.log(`\n${title}: ${heading}`);
    printTable([["", ...columns], ...rows]);
  }
}

function printVerdicts(verdicts) {
  if (verdicts.length === 0) return;
  console.log("\ntargets");
  printTable([
    ["", "target", "measured", ""],
    ...verdicts.map(({ what, target, actual, met }) => [what, target, actual, met ? "met" : "not met"]),
  ]);
}

/** Every figure under its key. */
function flat(operations, sizes, others, verdicts) {
  const figures = { ...others };
  for (const { key, rows } of operations)
    for (const row of rows) {
      figures[`${row.key}.${row.name}`] = Number(row.us.toFixed(3));
      if (row !== rows[0]) figures[`ratio.${key}.${row.name}`] = Number(row.ratio.toFixed(4));
    }
  for (const { name, raw, gzip, brotli } of sizes)
    Object.assign(figures, { [`size.${name}_raw`]: raw, [`size.${name}_gzip`]: gzip, [`size.${name}_brotli`]: brotli });
  figures["targets.met"] = verdicts.filter(({ met }) => met).length;
  figures["targets.missed"] = verdicts.filter(({ met }) => !met).length;
  return figures;
}

async function main() {
  const { json, quick, names } = options();
  const duration = quick ? DURATIONS.quick : DURATIONS.normal;
  console.log(`bench: ${names.join(", ")} on Node ${process.version}, ${cpus()[0]?.model ?? process.arch}`);
  const operations = [];
  const sizes = [];
  const others = {};
  for (const name of names) {
    const result = await SUITES[name].run(duration);
    if (result.operations) {
      printOperations(result);
      operations.push(...result.operations);
    } else if (result.figures) {
      printFigures(result);
      Object.assign(others, result.figures);
    } else {
      printSizes(result);
      sizes.push(...result.rows);
    }
  }
  const byName = (rows) => new Map(rows.map((row) => [row.name, row]));
  const verdicts = judge(new Map(operations.map(({ key, rows }) => [key, byName(rows)])), byName(sizes), others);
  printVerdicts(verdicts);
  if (json) console.log(JSON.stringify(flat(operations, sizes, others, verdicts)));
}

await main();
