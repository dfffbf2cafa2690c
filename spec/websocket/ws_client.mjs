// SPDX-License-Identifier: MIT
//
// The package ws plays the cases of the strict server: a client that nobody here wrote, by which it is seen
// that the server judges rightly.  NODE_PATH says where the package is.
//
//   node ws_client.mjs PORT     prints what POST /verdicts says

import { createRequire } from "node:module";

const WebSocket = createRequire(import.meta.url)("ws");
const [port] = process.argv.slice(2);
const AT_ONCE = 16;

// What ws does not check, or only later than it could; it has no heartbeat.
function isBeyond({ needs, options }) {
  return needs || options?.close_timeout || options?.ping_interval;
}

function endingOf(error) {
  if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return "limit";
  return /^(WS_ERR|Z_)/.test(error.code) ? "protocol" : "cut";
}

function act(socket, { act: name, code, reason, data }) {
  if (name === "close") socket.close(code, reason);
  else if (name === "ping") socket.ping(data);
  else socket.send(data);
}

function play({ id, options, acts }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/case/${id}`, {
    perMessageDeflate: options?.deflate ? { threshold: 0 } : false,
    maxPayload: options?.limit ?? 0,
  });
  const report = { id, messages: "" };
  let isOpen = false;
  socket.on("open", () => {
    isOpen = true;
    for (const one of acts?.[0] ?? []) act(socket, one);
  });
  socket.on("message", (data, isBinary) => {
    report.messages += isBinary ? "b" : "t";
    if (!acts) socket.send(data, { binary: isBinary });
  });
  socket.on("error", (error) => {
    report.ending = isOpen ? endingOf(error) : "refused";
  });
  return new Promise((resolve) => {
    socket.on("close", (code, reason) => {
      report.ending ??= code === 1006 ? "cut" : "closed";
      if (!acts) Object.assign(report, { code, reason: reason.toString() });
      resolve(report);
    });
  });
}

const { cases } = await (await fetch(`http://127.0.0.1:${port}/cases`)).json();
const waiting = cases.filter((its) => !isBeyond(its));
const reports = [];
async function work() {
  for (let its = waiting.shift(); its; its = waiting.shift()) reports.push(await play(its));
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
const verdicts = await fetch(`http://127.0.0.1:${port}/verdicts`, { method: "POST", body: JSON.stringify(reports) });
console.log(await verdicts.text());
process.exit(0); // connections of fetch would stay for a while
