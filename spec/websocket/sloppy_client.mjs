// SPDX-License-Identifier: MIT
//
// A small client that is right but for the one fault it is told, to see that the strict server notices.
//
//   node sloppy_client.mjs FAULT GROUP [FAULT GROUP ...] PORT
//
// plays the cases of each group, and prints what POST /verdicts says of it, in a line.

import { randomBytes } from "node:crypto";
import net from "node:net";
import { CLOSE, PING, PONG, Reader, closing, frame } from "./frames.mjs";

const words = process.argv.slice(2);
const port = words.pop();
const OPCODES = { text: 1, binary: 2 };
const ENDINGS = { 1009: "limit" };

class Client {
  #fault;
  #its;
  #socket = net.connect(Number(port), "127.0.0.1");
  #reader;
  #head = Buffer.alloc(0);
  #isOpen = false;
  #echoed = 0;
  #isDone = false;
  report;

  constructor(fault, its) {
    this.#fault = fault;
    this.#its = its;
    this.report = { id: its.id, messages: "" };
    const limit = fault === "no limit" ? Infinity : its.options?.limit;
    this.#reader = new Reader({ limit });
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk) => this.#hear(chunk));
    this.#socket.on("error", () => {});
    this.over = new Promise((resolve) => this.#socket.on("close", () => resolve(this.#finish())));
    const key = fault === "one key" ? Buffer.alloc(16) : randomBytes(16);
    const extension = fault === "offers deflate" ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "";
    const version = fault === "version 8" ? 8 : 13;
    this.#socket.write(`GET /case/${its.id} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
      + `Sec-WebSocket-Key: ${key.toString("base64")}\r\nSec-WebSocket-Version: ${version}\r\n${extension}\r\n`);
  }

  #finish() {
    this.report.ending ??= this.#fault === "calls a cut an end" ? "closed" : "cut";
    if (this.#fault === "lies about messages") this.report.messages += "t";
    return this.report;
  }

  #hear(chunk) {
    if (this.#isDone) return;
    if (this.#isOpen) return this.#take(chunk);
    this.#head = Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return;
    this.#isOpen = true;
    this.#take(this.#head.subarray(end + 4));
  }

  #take(chunk) {
    for (const event of this.#reader.feed(chunk)) this.#answer(event);
    const { failure } = this.#reader;
    if (!failure || this.#fault === "bears everything") return;
    if (this.#fault === "checks late" && failure.code === 1007) return;
    this.report.ending = ENDINGS[failure.code] ?? "protocol";
    if (this.#fault !== "fails without a word") this.#send(CLOSE, closing(this.#fault === "always 1002" ? 1002 : failure.code));
    this.#isDone = true;
    if (this.#fault !== "stays") this.#socket.end();
  }

  #answer(event) {
    if (event.kind === "ping") this.#pong(event.data);
    else if (event.kind === "close") this.#close(event);
    else if (event.kind !== "pong") this.#echo(event);
  }

  #pong(data) {
    if (this.#fault === "no pong") return;
    this.#send(PONG, this.#fault === "another pong" ? Buffer.concat([data, Buffer.from("x")]).subarray(0, 125) : data);
  }

  #close({ code, reason }) {
    Object.assign(this.report, { ending: "closed", code, reason: this.#fault === "loses the reason" ? "" : reason });
    const back = this.#fault === "another code" ? 4242 : code;
    if (this.#fault !== "no close frame") this.#send(CLOSE, back === 1005 ? "" : closing(back));
    if (this.#fault === "talks on") this.#send(1, "one more");
    setTimeout(() => this.#socket.end(), 500); // if the server does not
    if (this.#fault === "impatient" || this.#fault === "no close frame") this.#socket.end();
  }

  #echo({ kind, data }) {
    this.report.messages += kind[0];
    this.#echoed++;
    if (this.#fault === "loses a message" && this.#echoed === 2) return;
    if (this.#fault === "pings unasked") this.#send(PING, "");
    const changed = this.#fault === "changes a byte" && data.length > 0 ? Buffer.concat([data.subarray(1), Buffer.from("!")]) : data;
    this.#send(this.#fault === "only texts" ? 1 : OPCODES[kind], changed);
  }

  #send(opcode, payload) {
    const options = { mask: this.#fault === "one mask" ? Buffer.from([1, 2, 3, 4]) : randomBytes(4) };
    if (this.#fault === "no mask") options.mask = undefined;
    if (this.#fault === "long lengths") options.form = 64;
    if (this.#fault === "reserved bit") options.rsv = 4;
    if (this.#fault === "never final") options.fin = false;
    this.#socket.write(frame(opcode, payload, options));
  }
}

const { cases } = await (await fetch(`http://127.0.0.1:${port}/cases`)).json();

async function verdictsOn(fault, group) {
  // The largest cost most and show no other fault.
  const waiting = cases.filter((its) => its.group === group && !its.acts && !its.options?.ping_interval && !its.name.includes("MiB"));
  const reports = [];
  async function work() {
    for (let its = waiting.shift(); its; its = waiting.shift()) reports.push(await new Client(fault, its).over);
  }
  await Promise.all(Array.from({ length: 64 }, work));
  const verdicts = await fetch(`http://127.0.0.1:${port}/verdicts`, { method: "POST", body: JSON.stringify(reports) });
  return verdicts.text();
}

while (words.length > 1) console.log(await verdictsOn(...words.splice(0, 2)));
process.exit(0); // connections of fetch would stay for a while
