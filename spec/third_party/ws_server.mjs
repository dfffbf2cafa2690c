// SPDX-License-Identifier: MIT
//
// The package ws as a server, told what to do by the path and the messages of a client.
//
//   node ws_server.mjs PORT     tells PORT of 127.0.0.1 its own port, ends when its standard input does
//
//   /echo       sends back what comes; /deflate does so compressed, if the client agrees
//   /small      the same with maxPayload 1000
//   /protocol   chooses the subprotocol "second", if it is offered
//   /refuse     answers the upgrade with 401 and a body
//   /drop       answers the first two upgrades with 503, the others as /echo; an id in the query tells
//               specs apart
//   A text that begins with "!" is an order: !close CODE REASON, !terminate, !ping DATA, !fragments COUNT
//   GET /closed says how the last connection ended

import { createRequire } from "node:module";
import http from "node:http";
import net from "node:net";

const { WebSocketServer } = createRequire(import.meta.url)("ws");

const deflate = { threshold: 0, serverNoContextTakeover: false };
const servers = {
  "/echo": new WebSocketServer({ noServer: true }),
  "/deflate": new WebSocketServer({ noServer: true, perMessageDeflate: deflate }),
  "/small": new WebSocketServer({ noServer: true, maxPayload: 1000 }),
  "/protocol": new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has("second") ? "second" : false) }),
};
const refusing = new WebSocketServer({
  noServer: true,
  verifyClient: (info, answer) => answer(false, 401, "{\"error\":{\"message\":\"no such key\"}}", { "X-Request-Id": "req-1" }),
});
const seen = new Map(); // how often an id came to /drop
let lastClose = null; // what the last connection was closed with, as ws says it

const ORDERS = {
  close: (socket, [code, ...reason]) => socket.close(code ? Number(code) : undefined, reason.join(" ")),
  terminate: (socket) => socket.terminate(),
  ping: (socket, [data]) => {
    socket.once("pong", (back) => socket.send(`pong ${back}`));
    socket.ping(data);
  },
  fragments: (socket, [count]) => {
    for (let at = 1; at <= Number(count); at++) socket.send(`part ${at} `, { fin: at === Number(count) });
  },
};

function serve(socket) {
  socket.on("error", () => {});
  socket.on("close", (code, reason) => {
    lastClose = { code, reason: reason.toString() };
  });
  socket.on("message", (data, isBinary) => {
    const order = /^!(\w+) ?(.*)$/.exec(isBinary ? "" : data.toString());
    if (order) ORDERS[order[1]](socket, order[2] === "" ? [] : order[2].split(" "));
    else socket.send(data, { binary: isBinary });
  });
}

const server = http.createServer((request, response) => {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ closed: lastClose }));
  lastClose = null;
});

function busy(url) {
  const count = (seen.get(url) ?? 0) + 1;
  seen.set(url, count);
  return count < 3;
}

server.on("upgrade", (request, socket, head) => {
  const path = request.url.split("?")[0];
  if (path === "/drop" && busy(request.url)) {
    return socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy");
  }
  const wss = path === "/refuse" ? refusing : servers[path] ?? servers["/echo"];
  wss.handleUpgrade(request, socket, head, serve);
});

server.listen(0, "127.0.0.1", () => {
  net.connect(Number(process.argv.at(-1)), "127.0.0.1").end(`${server.address().port}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
