// SPDX-License-Identifier: MIT
//
// The package ws on Node in the bench, where it is installed: found by NODE_PATH.  The same
// arguments and report line as the other clients.

import { createRequire } from "node:module";
import { count, readArguments, report } from "./node_client.mjs";

const WebSocket = createRequire(import.meta.url)("ws");

const given = readArguments({ streams: 1, requests: 1, echo: 0, window: 1 });

const question = JSON.stringify({
  model: "m",
  messages: [{ role: "user", content: "hi" }],
  stream: true,
});

function readReplies(socket) {
  let left = given.requests;
  socket.on("open", () => socket.send(question));
  socket.on("message", (data) => {
    const payload = data.toString();
    if (payload !== "[DONE]") {
      const text = JSON.parse(payload).choices[0]?.delta?.content;
      if (text) count(Buffer.byteLength(text));
    } else if (--left > 0) socket.send(question);
    else socket.close(1000);
  });
}

function sendEchoes(socket) {
  let sent = 0;
  let back = 0;
  const next = () => socket.send(String(sent++).padStart(8, "0").padEnd(300, "x"));
  socket.on("open", () => {
    while (sent < given.window) next();
  });
  socket.on("message", (data) => {
    const text = data.toString();
    if (Number(text.slice(0, 8)) !== back++) throw new Error("another message came back");
    count(text.length);
    if (sent < given.echo) next();
    else if (back === given.echo) socket.close(1000);
  });
}

await Promise.all(
  Array.from(
    { length: given.streams },
    () =>
      new Promise((done, fail) => {
        const socket = new WebSocket(given.url);
        (given.echo ? sendEchoes : readReplies)(socket);
        socket.on("close", done);
        socket.on("error", fail);
      }),
  ),
);
report();
