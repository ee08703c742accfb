// Serving with Node's http.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";

import { nodeHandler } from "../dist/server.js";

async function serve(t, handle) {
  const server = createServer(nodeHandler(handle)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address();
  return { port, url: `http://127.0.0.1:${port}` };
}

/** What comes back for these bytes on a bare connection, until it is closed. */
async function raw(port, text) {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (part) => (answer += part));
  socket.on("error", () => {});
  socket.write(text);
  await once(socket, "close");
  return answer;
}

test("method, URL, headers and body arrive; status, headers and body go back", async (t) => {
  const { url, port } = await serve(t, async (received) => {
    const { pathname, search, host } = new URL(received.url);
    const body = await received.text();
    const answer = { method: received.method, pathname, search, host, test: received.headers.get("x-test"), body };
    return Response.json(answer, { status: 201, headers: { "X-Answer": "yes" } });
  });
  const response = await fetch(`${url}/a%20b/../c?d=e`, { method: "POST", headers: { "X-Test": "1" }, body: "text" });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("x-answer"), "yes");
  assert.deepEqual(await response.json(), {
    method: "POST",
    pathname: "/c",
    search: "?d=e",
    host: `127.0.0.1:${port}`,
    test: "1",
    body: "text",
  });
});

test("HEAD has the headers and no body", async (t) => {
  const { url } = await serve(t, async () => new Response("body", { headers: { "content-length": "4" } }));
  const response = await fetch(url, { method: "HEAD" });
  assert.equal(response.headers.get("content-length"), "4");
  assert.equal(await response.text(), "");
});

test("bodies up to 64 KiB are read, longer ones refused, announced or not", async (t) => {
  const lengths = [];
  const { url, port } = await serve(t, async (received) => {
    lengths.push((await received.arrayBuffer()).byteLength);
    return new Response("read");
  });
  const post = (body) => fetch(url, { method: "POST", body, duplex: "half" });
  const parts = (count) =>
    new ReadableStream({
      pull(controller) {
        if (count-- > 0) controller.enqueue(new Uint8Array(1_024));
        else controller.close();
      },
    });
  assert.equal((await post(new Uint8Array(65_536))).status, 200);
  assert.equal((await post(parts(64))).status, 200);
  const response = await post(new Uint8Array(65_537));
  assert.equal(response.status, 413);
  assert.equal((await response.json()).error.code, "BODY_TOO_LARGE");
  const chunked = `400\r\n${"x".repeat(1_024)}\r\n`.repeat(65);
  const answer = await raw(port, `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.match(answer, /BODY_TOO_LARGE/);
  assert.deepEqual(lengths, [65_536, 65_536]);
});

test("an answer is streamed, no faster than it is read", async (t) => {
  let produced = 0;
  let cancelled = () => {};
  const isCancelled = new Promise((resolve) => (cancelled = resolve));
  const { port } = await serve(
    t,
    async () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            produced += 65_536;
            controller.enqueue(new Uint8Array(65_536));
          },
          cancel: cancelled,
        }),
      ),
  );
  const received = request({ port }).end();
  const [response] = await once(received, "response");
  await once(response, "readable");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(produced < 32 * 1024 * 1024, `${produced} bytes were made for a client that read none`);
  received.destroy();
  await isCancelled;
});

test("a client that reads nothing for too long is cut off, and whoever reads is not", async (t) => {
  const cut = [];
  const body = () =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)),
      cancel: () => void cut.push(1),
    });
  const server = createServer(nodeHandler(async () => new Response(body()), { idleTimeout: 50 })).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  const sent = request({ port: server.address().port }).end();
  sent.on("error", () => {});
  const [response] = await once(sent, "response");
  response.on("error", () => {});
  let read = 0;
  for await (const part of response) if ((read += part.length) > 64 * 1024 * 1024) break;
  assert.ok(read > 64 * 1024 * 1024);
  const idle = request({ port: server.address().port }).end();
  idle.on("error", () => {});
  t.after(() => idle.destroy());
  await once(idle, "response");
  while (cut.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const idleTimeout of [0, -1, NaN, 2 ** 31])
    assert.throws(() => nodeHandler(async () => new Response(), { idleTimeout }), { code: "INVALID_ARGUMENT" });
});

test("a client that goes away ends the request's signal", async (t) => {
  let gone = () => {};
  const isGone = new Promise((resolve) => (gone = resolve));
  const { port } = await serve(t, (received) => {
    received.signal.addEventListener("abort", gone);
    return new Promise(() => {});
  });
  const sent = request({ port }).end();
  sent.on("error", () => {});
  setTimeout(() => sent.destroy(), 50);
  await isGone;
});

test("a handler that fails is a 500 without its reasons", async (t) => {
  const { url } = await serve(t, async () => {
    throw new Error("secret");
  });
  const response = await fetch(url);
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret/);
});

test("what is no request is refused, and the server goes on", async (t) => {
  const { port, url } = await serve(t, async (received) => new Response(new URL(received.url).pathname));
  const send = (line, headers) => raw(port, `${line} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);
  assert.match(await send("GET /", "Host: a b\r\n"), /^HTTP\/1\.1 400 /);
  assert.match(await send("TRACE /", "Host: a\r\n"), /^HTTP\/1\.1 400 /);
  assert.match(await send("GET http://other.example/path", "Host: a\r\n"), /^HTTP\/1\.1 200 [^]*\/path$/m);
  assert.match(await send("GET /", `Host: a\r\nPayment: ${"a".repeat(1024 * 1024)}\r\n`), /^HTTP\/1\.1 431 /);
  assert.equal(await (await fetch(`${url}/next`)).text(), "/next");
});
