// SPDX-License-Identifier: MIT
//
// A strict server for RFC 6455: it plays the cases of cases/ to a client, well and ill, and judges it.
//
//   node server.mjs [--seed N] [--patience MS] [--tls FOLDER] PORT
//
// tells PORT of 127.0.0.1 the port where it listens, and ends when its standard input does.  With a folder that has
// cert.pem and key.pem it listens on a second port, for WebSockets over TLS.
//
//   GET /cases                 { seed, tlsPort, cases: [{ id, group, name, options, acts, needs }] }
//   a WebSocket to /case/ID    plays that case
//   POST /verdicts             [{ id, messages, ending, code, reason }]: what the client saw of the cases that it
//                              played; gives { passed, failed: [{ id, group, name, problems }] }

import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { allCases } from "./cases/all.mjs";
import { Player } from "./play.mjs";

const words = process.argv.slice(2);
function wordOf(option) {
  return words.includes(option) ? words[words.indexOf(option) + 1] : undefined;
}
const seed = Number(wordOf("--seed") ?? 1);
const settings = { patience: Number(wordOf("--patience") ?? 20000) };
const folder = wordOf("--tls");
let tlsPort;
const cases = allCases(seed);
const players = new Map(); // the id of a case -> its player

function listOfCases() {
  const list = cases.map(({ group, name, options, acts, needs }, id) => ({ id, group, name, options, acts, needs }));
  return { seed, tlsPort, cases: list };
}

// Masks are random if no two frames of a connection share one, and their bits are as often 1 as 0.
function problemsOfKeys() {
  const lists = [...players.values()].map((player) => player.keys);
  const problems = [];
  for (const keys of lists) {
    if (keys.length < 1000 && new Set(keys).size < keys.length) problems.push("a mask was used twice in a connection");
  }
  const keys = lists.flat();
  if (keys.length < 200) return problems;
  for (let bit = 0; bit < 32; bit++) {
    const share = keys.filter((key) => (key >>> bit) & 1).length / keys.length;
    if (Math.abs(share - 0.5) > 4 / Math.sqrt(keys.length)) problems.push(`bit ${bit} of the masks is set in ${Math.round(share * 100)} %`);
  }
  return problems;
}

async function verdicts(reports) {
  const deadline = Date.now() + 20000;
  const open = () => reports.some(({ id }) => players.get(id)?.isOver === false);
  while (open() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  const failed = [];
  for (const report of reports) {
    const { group, name } = cases[report.id];
    const player = players.get(report.id);
    player?.judge(report);
    const problems = player ? player.problems : ["it never came"];
    if (problems.length > 0) failed.push({ id: report.id, group, name, problems });
  }
  const keys = problemsOfKeys();
  players.clear(); // the next client is judged by its own masks
  if (keys.length > 0) failed.push({ id: -1, group: "masks", name: "all frames", problems: keys });
  return { passed: reports.length - failed.length, failed };
}

function bodyOf(request) {
  return new Promise((resolve) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => resolve(Buffer.concat(parts).toString()));
  });
}

const server = http.createServer(async (request, response) => {
  const isVerdict = request.method === "POST";
  const answer = isVerdict ? await verdicts(JSON.parse(await bodyOf(request))) : listOfCases();
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(answer));
});

function upgrade(request, socket, head) {
  const id = Number(/^\/case\/(\d+)$/.exec(request.url)?.[1]);
  if (!cases[id]) return socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  const player = new Player(cases[id], request, socket, settings);
  players.set(id, player);
  player.play(head);
}

function listen(server) {
  server.on("upgrade", upgrade);
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}

if (folder) {
  const read = (name) => fs.readFileSync(`${folder}/${name}`);
  tlsPort = await listen(https.createServer({ cert: read("cert.pem"), key: read("key.pem") }));
}
const port = await listen(server);
net.connect(Number(words.at(-1)), "127.0.0.1").end(`${port}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
