// The demo: a page that buys a file chunk by chunk, with a seller and a chain to settle on, all on this machine.

import { parseArgs } from "node:util";

import { DemoError } from "./errors.mjs";

const HELP = `npm run demo -- [options]

  --file PATH        sell this file (default: a short video made with ffmpeg, or without ffmpeg a piece of music)
  --port N           port of the page and the content, on 127.0.0.1 (default 8402; 0 takes any free one)
  --price BASEUNITS  price of a chunk of 256 KiB in wei (default 10000000000000, which is 0.00001 ETH)
  --via hub          buyers have no channel with the seller, but one through a hub that is started too
  --check            no visitor: a headless Chromium buys, settles and compares; the last line printed is JSON
  --screenshots DIR  with --check: keep pictures of the page, on desktop and phone, light and dark
  --help             this text

Needs: npm run build, which npm run demo does by itself. Ctrl-C stops everything.`;

function options() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        file: { type: "string" },
        port: { type: "string" },
        price: { type: "string" },
        via: { type: "string" },
        check: { type: "boolean", default: false },
        screenshots: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (cause) {
    throw new DemoError("BAD_OPTION", `${cause.message}\n\n${HELP}`, { cause });
  }
  const { file, via, check, screenshots, help } = values;
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(/^\d+$/.test(values.port) && port < 65_536))
    throw new DemoError("BAD_OPTION", `--port ${values.port}: a number from 0 to 65535 is needed`);
  if (values.price !== undefined && !/^[1-9]\d{0,27}$/.test(values.price))
    throw new DemoError("BAD_OPTION", `--price ${values.price}: a whole number of wei above zero is needed`);
  if (via !== undefined && via !== "hub") throw new DemoError("BAD_OPTION", `--via ${via}: there is only --via hub`);
  if (screenshots !== undefined && !check) throw new DemoError("BAD_OPTION", "--screenshots works with --check only");
  return { file, port, price: values.price && BigInt(values.price), via, check, screenshots, help };
}

async function serve({ file, port, price, via }) {
  const { startDemo } = await import("./server.mjs");
  const starting = startDemo({ file, port, price, via, log: (line) => console.log(`demo: ${line}`) });
  let stopping = false;
  const stop = async (signal) => {
    if (stopping) process.exit(130); // asked twice
    stopping = true;
    console.log(`\ndemo: ${signal}: stopping`);
    const demo = await starting.catch(() => undefined);
    await demo?.stop();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => void stop(signal));
  const demo = await starting;
  if (stopping) return;
  console.log(`\ndemo: open ${demo.url} in a browser (Ctrl-C stops everything)`);
}

try {
  const chosen = options();
  if (chosen.help) console.log(HELP);
  else if (chosen.check) process.exitCode = await (await import("./check.mjs")).check(chosen);
  else await serve(chosen);
} catch (error) {
  if (process.argv.includes("--check"))
    console.log(JSON.stringify({ ok: false, error: `${error.code}: ${error.message}` }));
  else console.error(error.code ? `\n${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
