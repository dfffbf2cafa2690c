// SPDX-License-Identifier: MIT
// The opening handshake: answers that a client has to accept, and those that it must not.

import { close, text } from "../frames.mjs";
import { good } from "./build.mjs";

const GROUP = "handshake";

function refused(name, answer, more = {}) {
  return { group: GROUP, name, steps: [], want: "refused", answer, ...more };
}

function opened(name, answer, more = {}) {
  return good(GROUP, name, [text("open")], { answer, ...more });
}

function lines(...list) {
  return { raw: (accept) => list.map((line) => line.replace("@", accept)).join("\r\n") + "\r\n\r\n" };
}

const STATUS = "HTTP/1.1 101 Switching Protocols";
const UPGRADE = "Upgrade: websocket";
const CONNECTION = "Connection: Upgrade";
const ACCEPT = "Sec-WebSocket-Accept: @";

function accepted() {
  return [
    opened("the plain answer", lines(STATUS, UPGRADE, CONNECTION, ACCEPT)),
    opened("the plain answer, a byte at a time", { pieces: 1 }),
    opened("the plain answer in pieces of 10", { pieces: 10 }),
    opened("names in lower case", lines(STATUS, "upgrade: websocket", "connection: upgrade", "sec-websocket-accept: @")),
    opened("names in upper case", lines(STATUS, "UPGRADE: WEBSOCKET", "CONNECTION: UPGRADE", "SEC-WEBSOCKET-ACCEPT: @")),
    opened("another order", lines(STATUS, ACCEPT, CONNECTION, UPGRADE)),
    opened("no blanks after the colons", lines(STATUS, "Upgrade:websocket", "Connection:Upgrade", "Sec-WebSocket-Accept:@")),
    opened("blanks around the values", lines(STATUS, "Upgrade: \t websocket ", "Connection:   Upgrade\t", "Sec-WebSocket-Accept:  @  "), { needs: "care" }),
    opened("several tokens in Connection", lines(STATUS, UPGRADE, "Connection: keep-alive, Upgrade", ACCEPT)),
    opened("two Connection lines", lines(STATUS, UPGRADE, "Connection: keep-alive", CONNECTION, ACCEPT)),
    opened("no reason phrase", lines("HTTP/1.1 101 ", UPGRADE, CONNECTION, ACCEPT)),
    opened("another reason phrase", lines("HTTP/1.1 101 Web Socket Protocol Handshake", UPGRADE, CONNECTION, ACCEPT)),
    opened("many other headers", lines(STATUS, UPGRADE, ...Array.from({ length: 100 }, (_, at) => `X-Header-${at}: ${"v".repeat(50)}`), CONNECTION, ACCEPT)),
    opened("a text in the same segment", {}, { tail: text("early") }),
    opened("half a text in the same segment", {}, { tail: text("early").subarray(0, 4), steps: [text("early").subarray(4), "settle", close(1000)] }),
    opened("a thousand texts in the same segment", {}, { tail: Buffer.concat(Array(1000).fill(text("early"))) }),
    { group: GROUP, name: "a close frame in the same segment", tail: close(1000, "no"), steps: [], want: "closed" },
    { group: GROUP, name: "nonsense in the same segment", tail: Buffer.from([0xff, 0xff, 0xff]), steps: [], want: 1002 },
    opened("a 103 before it", lines("HTTP/1.1 103 Early Hints", "Link: </style.css>", "", STATUS, UPGRADE, CONNECTION, ACCEPT)),
  ];
}

function denied() {
  const status = (line, headers = {}, body = "") => ({ status: line, headers: { Upgrade: null, Connection: "close", "Sec-WebSocket-Accept": null, "Content-Length": body.length, ...headers }, body });
  return [
    refused("no Upgrade", { headers: { Upgrade: null } }),
    refused("another Upgrade", { headers: { Upgrade: "h2c" } }),
    refused("no Connection", { headers: { Connection: null } }),
    refused("another Connection", { headers: { Connection: "keep-alive" } }),
    refused("Connection with a token that only contains it", { headers: { Connection: "NotUpgrade" } }),
    refused("no accept value", { headers: { "Sec-WebSocket-Accept": null } }),
    refused("an empty accept value", { headers: { "Sec-WebSocket-Accept": "" } }),
    refused("the accept value of RFC 6455's example", { headers: { "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" } }),
    refused("the accept value in lower case", { raw: (accept) => [STATUS, UPGRADE, CONNECTION, `Sec-WebSocket-Accept: ${accept.toLowerCase()}`, "", ""].join("\r\n") }),
    refused("the accept value cut short", { raw: (accept) => [STATUS, UPGRADE, CONNECTION, `Sec-WebSocket-Accept: ${accept.slice(0, -1)}`, "", ""].join("\r\n") }),
    refused("a subprotocol that was not offered", { headers: { "Sec-WebSocket-Protocol": "chat" } }),
    refused("an extension that was not offered", { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } }),
    refused("an extension that nobody knows", { headers: { "Sec-WebSocket-Extensions": "x-webkit-deflate-frame" } }),
    refused("status 200", { status: "HTTP/1.1 200 OK", headers: { "Content-Length": 0 } }),
    refused("status 400", status("HTTP/1.1 400 Bad Request", {}, "bad")),
    refused("status 401 with a body", status("HTTP/1.1 401 Unauthorized", { "WWW-Authenticate": "Bearer" }, "who are you?")),
    refused("status 404 without a length", status("HTTP/1.1 404 Not Found", { "Content-Length": null }), { steps: ["fin"] }),
    refused("status 301", status("HTTP/1.1 301 Moved Permanently", { Location: "ws://127.0.0.1:1/" })),
    refused("status 426", status("HTTP/1.1 426 Upgrade Required", { "Sec-WebSocket-Version": "7" })),
    refused("no HTTP", { raw: () => "SSH-2.0-OpenSSH_9.2\r\n\r\n" }),
    refused("half a header and the end", { raw: () => `${STATUS}\r\nUpgr` }, { steps: ["fin"] }),
    refused("nothing and the end", { raw: () => "" }, { steps: ["fin"] }),
  ];
}

function compression() {
  const options = { deflate: true };
  const wrong = (name, extension, needs) => refused(name, { headers: { "Sec-WebSocket-Extensions": extension } }, { options, needs });
  return [
    wrong("deflate with a window of 7 bits", "permessage-deflate; server_max_window_bits=7"),
    wrong("deflate with a window of 16 bits", "permessage-deflate; server_max_window_bits=16"),
    wrong("deflate with a window of 010 bits", "permessage-deflate; server_max_window_bits=010", "care"),
    wrong("deflate with a window without bits", "permessage-deflate; server_max_window_bits"),
    wrong("deflate with a parameter that nobody knows", "permessage-deflate; colour=red"),
    wrong("deflate with a parameter twice", "permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
    wrong("deflate with a value where none belongs", "permessage-deflate; server_no_context_takeover=1"),
    wrong("deflate and something else", "permessage-deflate, x-unknown"),
    wrong("deflate twice", "permessage-deflate, permessage-deflate", "care"),
    wrong("only another extension", "permessage-bzip2"),
  ];
}

export function handshake() {
  return [...accepted(), ...denied(), ...compression()];
}
