// Compiles the contracts of this package and lays them, with the published Nitro contracts they work with, into
// `out/NAME.json` as { contractName, abi, bytecode, deployedBytecode } (bytecode 0x-prefixed hex).
//
// Run directly (`node contracts/build.mjs`) or call `buildContracts`. When nothing changed since the last build, it
// returns without loading the compiler, so callers may call it every time.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const sourceDir = join(here, "src");
const outDir = join(here, "out");
const stampFile = join(outDir, ".stamp");
const require = createRequire(import.meta.url);

const OWN = ["StreamApp", "TestToken"];
const NITRO = ["NitroAdjudicator", "ConsensusApp", "VirtualPaymentApp"];
const PACKAGES = ["solc", "@openzeppelin/contracts", "@statechannels/exit-format", "@statechannels/nitro-protocol"];

/** EIP-170: longest deployed bytecode that a chain accepts, in bytes. */
const MAX_CODE_BYTES = 24_576;

/** Why a build failed: `code` is "CONTRACTS_DEPENDENCY_MISSING" or "CONTRACTS_COMPILE_FAILED". */
export class BuildError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "BuildError";
    this.code = code;
  }
}

/**
 * Brings `contracts/out` up to date.
 *
 * @param {{ log?: (line: string) => void }} [options] `log` is told what is being compiled; silent without it
 * @returns {Promise<{ outDir: string, built: boolean }>} `built` is false when everything was up to date
 * @throws {BuildError} an npm package is missing, or a contract does not compile without errors and warnings
 */
export async function buildContracts({ log = () => {} } = {}) {
  const sources = readSources();
  const stamp = inputsHash(sources);
  const outputs = [...OWN, ...NITRO].map((name) => join(outDir, `${name}.json`));
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp && outputs.every((file) => existsSync(file)))
    return { outDir, built: false };

  log(`contracts: compiling ${OWN.join(", ")}`);
  const artifacts = [...(await compile(sources)), ...NITRO.map(publishedArtifact)];
  mkdirSync(outDir, { recursive: true });
  for (const artifact of artifacts)
    writeAtomically(join(outDir, `${artifact.contractName}.json`), `${JSON.stringify(artifact, null, 2)}\n`);
  writeAtomically(stampFile, stamp); // last, so that an interrupted build is not taken for a finished one
  log(`contracts: wrote ${artifacts.map((artifact) => artifact.contractName).join(", ")}`);
  return { outDir, built: true };
}

function readSources() {
  return Object.fromEntries(
    readdirSync(sourceDir)
      .filter((file) => file.endsWith(".sol"))
      .sort()
      .map((file) => [`src/${file}`, { content: readFileSync(join(sourceDir, file), "utf8") }]),
  );
}

/** Hash of all that decides the output. Content, not modification times: those do not survive a checkout. */
function inputsHash(sources) {
  const hash = createHash("sha256");
  hash.update(JSON.stringify(sources));
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  hash.update(readFileSync(join(here, "package.json")));
  for (const name of PACKAGES)
    hash.update(`${name}@${JSON.parse(readFileSync(resolve(`${name}/package.json`))).version}\n`);
  return hash.digest("hex");
}

function resolve(specifier) {
  try {
    return require.resolve(specifier);
  } catch (cause) {
    throw new BuildError("CONTRACTS_DEPENDENCY_MISSING", `${specifier} is not installed: run npm ci`, { cause });
  }
}

/** Loading solc installs a process-wide handler that aborts on unhandled rejections: taken off again for our callers. */
async function loadCompiler() {
  const before = process.listeners("unhandledRejection");
  const { default: solc } = await import(pathToFileURL(resolve("solc")).href);
  for (const listener of process.listeners("unhandledRejection"))
    if (!before.includes(listener)) process.off("unhandledRejection", listener);
  return solc;
}

async function compile(sources) {
  const solc = await loadCompiler();
  const input = {
    language: "Solidity",
    sources,
    settings: {
      viaIR: true,
      optimizer: { enabled: true, runs: 20_000 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const readImport = (path) => {
    try {
      return { contents: readFileSync(resolve(path), "utf8") };
    } catch (error) {
      return { error: error.message };
    }
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));

  const faults = (output.errors ?? []).filter(
    ({ severity, sourceLocation }) =>
      severity === "error" || (severity === "warning" && (sourceLocation?.file ?? "src/").startsWith("src/")),
  );
  if (faults.length > 0)
    throw new BuildError("CONTRACTS_COMPILE_FAILED", faults.map((fault) => fault.formattedMessage).join("\n"));

  return OWN.map((contractName) => {
    const { abi, evm } = output.contracts[`src/${contractName}.sol`][contractName];
    const codeBytes = evm.deployedBytecode.object.length / 2;
    if (codeBytes > MAX_CODE_BYTES)
      throw new BuildError(
        "CONTRACTS_COMPILE_FAILED",
        `${contractName} is ${codeBytes} bytes, more than ${MAX_CODE_BYTES}`,
      );
    return {
      contractName,
      abi,
      bytecode: `0x${evm.bytecode.object}`,
      deployedBytecode: `0x${evm.deployedBytecode.object}`,
    };
  });
}

/** The Nitro contracts are used exactly as published: their bytecode is copied, never compiled again. */
function publishedArtifact(contractName) {
  const file = `@statechannels/nitro-protocol/dist/artifacts/contracts/${contractName}.sol/${contractName}.json`;
  const { abi, bytecode, deployedBytecode } = JSON.parse(readFileSync(resolve(file), "utf8"));
  return { contractName, abi, bytecode, deployedBytecode };
}

/** Two builds may run at once (parallel tests): a reader must never see half a file. */
function writeAtomically(file, text) {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { built } = await buildContracts({ log: console.log });
    if (!built) console.log("contracts: up to date");
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
}
