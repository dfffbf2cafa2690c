// SPDX-License-Identifier: MIT
//
// The opening handshake of the strict server: what a client asked is judged, and the answer is written
// byte by byte as a case wants it, so also wrong.

import { createHash } from "node:crypto";
import { Deflate } from "./deflate.mjs";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const seenKeys = new Set();

function tokens(value) {
  return (value ?? "").toLowerCase().split(",").map((token) => token.trim());
}

// What is wrong with a request for an upgrade, by section 4.1: a list of texts.
export function problemsOf(request, wantsDeflate) {
  const problems = [];
  const { headers } = request;
  const key = headers["sec-websocket-key"] ?? "";
  if (request.method !== "GET") problems.push(`the method is ${request.method}`);
  if (request.httpVersion !== "1.1") problems.push(`HTTP/${request.httpVersion}`);
  if (!/^127\.0\.0\.1:\d+$/.test(headers.host ?? "")) problems.push(`Host is ${headers.host}`);
  if ((headers.upgrade ?? "").toLowerCase() !== "websocket") problems.push(`Upgrade is ${headers.upgrade}`);
  if (!tokens(headers.connection).includes("upgrade")) problems.push(`Connection is ${headers.connection}`);
  if (headers["sec-websocket-version"] !== "13") problems.push("Sec-WebSocket-Version is not 13");
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key) || Buffer.from(key, "base64").length !== 16) problems.push("the key is not 16 bytes");
  if (seenKeys.has(key)) problems.push("the key was used before");
  seenKeys.add(key);
  const names = request.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  for (const name of ["host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"]) {
    if (names.filter((other) => other === name).length > 1) problems.push(`${name} stands there twice`);
  }
  const offer = headers["sec-websocket-extensions"];
  if (offer && !wantsDeflate) problems.push(`it offers ${offer}`);
  if (!offer && wantsDeflate) problems.push("it does not offer permessage-deflate");
  return problems;
}

export function acceptOf(request) {
  return createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
}

// answer: { raw } gives all of it as a function of the right accept value; { status, headers, body }
// change parts: a header of null is left out.
export function answerOf(request, answer = {}) {
  const accept = acceptOf(request);
  if (answer.raw) return Buffer.from(answer.raw(accept), "latin1");
  const headers = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": accept,
    ...answer.headers,
  };
  const lines = [answer.status ?? "HTTP/1.1 101 Switching Protocols"];
  for (const [name, value] of Object.entries(headers)) {
    if (value !== null) lines.push(`${name}: ${value}`);
  }
  return Buffer.from(lines.join("\r\n") + "\r\n\r\n" + (answer.body ?? ""), "latin1");
}

function hasParameter(extension, name) {
  return new RegExp(`;\\s*${name}\\b`).test(extension);
}

function windowOf(extension, name) {
  return Number(new RegExp(`;\\s*${name}\\s*=\\s*"?(\\d+)`).exec(extension)?.[1] ?? 15);
}

// The compressors that an answer's extension line speaks of, or nothing: ours, the client's decompressor
// as this server expects it (it says what a client has to make of our bytes), and the client's own.
export function compressionOf(extension) {
  if (!extension) return {};
  const server = { hasContext: !hasParameter(extension, "server_no_context_takeover"), windowBits: windowOf(extension, "server_max_window_bits") };
  const client = { hasContext: !hasParameter(extension, "client_no_context_takeover"), windowBits: 15 };
  return { ours: new Deflate(server), expected: new Deflate(server), theirs: new Deflate(client) };
}
