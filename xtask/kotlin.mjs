// Builds the Kotlin bindings and runs their test on the JVM, against a development chain.
//
//   node xtask/kotlin.mjs
//
// The library and its generator are built by cargo, the Kotlin compiler and JNA come from Maven Central, in the versions
// of mobile/kotlin/pom.xml. Everything made is under target/kotlin. Ends with the line `N passed, N failed`; on a machine
// without Java or Maven it says what is missing and runs nothing.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import { devBuild } from "./build.mjs";
import { onPath } from "./chromium.mjs";
import { Failure, errorsIn, reportFailure, root, run, seconds } from "./run.mjs";

const target = join(root, "target", "kotlin");
const LIBRARY = /^(lib)?millstream_mobile\.(so|dylib|dll)$/;
const GENERATOR = /^millstream-bindgen(\.exe)?$/;
const JAVA_MAJOR = 17;
const MINUTE = 60_000;

/** What this machine lacks for the Kotlin test, with a way to get it, or null. */
export async function lacksKotlin() {
  const { code, output } = await run("java", ["-version"]);
  const found = code === 0 ? Number(output.match(/version "(\d+)/)?.[1]) : 0;
  const lacks = [];
  if (!(found >= JAVA_MAJOR)) lacks.push(`Java ${JAVA_MAJOR} or newer (Debian: apt install openjdk-17-jdk-headless)`);
  if (!onPath("mvn")) lacks.push("Maven 3.8 or newer (Debian: apt install maven)");
  return lacks.length === 0 ? null : `this machine has no ${lacks.join(" and no ")}`;
}

/** The examples in mobile/README.md are those that the test runs. */
function checkReadme() {
  const source = readFileSync(join(root, "mobile/kotlin/src/test/kotlin/millstream/Example.kt"), "utf8");
  const readme = readFileSync(join(root, "mobile/README.md"), "utf8");
  for (const example of source.split(/^(?=fun )/m).slice(1))
    if (!readme.includes(example.trimEnd()))
      throw new Failure("README_STALE", `mobile/README.md does not show this as Example.kt does:\n${example}`);
}

async function timed(name, work) {
  const start = Date.now();
  const result = await work();
  console.log(`kotlin: ${name} (${seconds(Date.now() - start)})`);
  return result;
}

/** Compiles the library and generates its Kotlin sources. Returns the library's path. */
async function buildBindings() {
  const files = await devBuild(["--package", "millstream-mobile", "--package", "millstream-bindgen"]);
  const [library, generator] = [LIBRARY, GENERATOR].map((name) => files.find((path) => name.test(basename(path))));
  const generated = join(target, "generated");
  rmSync(generated, { recursive: true, force: true });
  const { code, output } = await run(generator, ["kotlin", library, generated]);
  if (code !== 0) throw new Failure("BINDINGS_FAILED", output.trimEnd());
  return library;
}

/** Compiles the Kotlin sources and the test. Returns the class path to run it with. */
async function compileKotlin() {
  const classpath = join(target, "classpath");
  const goals = ["test-compile", "dependency:build-classpath"];
  const pom = join(root, "mobile", "kotlin", "pom.xml");
  const outputs = [`-Dmillstream.target=${target}`, `-Dmdep.outputFile=${classpath}`];
  // The compiler's daemon would stay for hours after the test, with close to a gigabyte.
  const options = ["-B", "-q", "-f", pom, "-Dkotlin.compiler.daemon=false", ...outputs];
  const { code, output, timedOut } = await run("mvn", [...options, ...goals], { timeout: 10 * MINUTE });
  if (timedOut) throw new Failure("MAVEN_FAILED", "Maven did not end within 10 minutes: is Maven Central in reach?");
  if (code !== 0) throw new Failure("MAVEN_FAILED", `mvn ${goals.join(" ")}\n${errorsIn(output)}`);
  const classes = ["classes", "test-classes"].map((name) => join(target, "build", name));
  return [...classes, readFileSync(classpath, "utf8").trim()].join(delimiter);
}

async function runTest(library, classpath) {
  // Imported late: what it needs is installed by npm.
  const { startDevChain } = await import("../contracts/dev-chain.mjs");
  const folder = mkdtempSync(join(tmpdir(), "millstream-kotlin-"));
  const chain = await startDevChain();
  try {
    const { adjudicator, streamApp, consensusApp } = chain.addresses;
    const [, payer, payee] = chain.accounts;
    const args = [chain.url, String(chain.chainId), adjudicator, streamApp, consensusApp, payer, payee, folder];
    const java = [`-Djna.library.path=${dirname(library)}`, "-cp", classpath, "millstream.MainKt", ...args];
    const { code, timedOut } = await run("java", java, {
      timeout: 5 * MINUTE,
      onText: (text) => process.stdout.write(text),
    });
    if (timedOut) throw new Failure("KOTLIN_TIMEOUT", "the test did not end within 5 minutes");
    if (code !== 0) process.exitCode = 1;
  } finally {
    await chain.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  const lacks = await lacksKotlin();
  if (lacks) {
    console.log(`kotlin: skipped, ${lacks}`);
    console.log("0 passed, 0 failed, 1 skipped");
    return;
  }
  checkReadme();
  const library = await timed("library and bindings", buildBindings);
  const classpath = await timed("Kotlin sources", compileKotlin);
  await runTest(library, classpath);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main().catch(reportFailure);
