// SPDX-License-Identifier: MIT
// The closing handshake: who begins, what may stand in it, what comes after it, who ends the connection.

import { CLOSE, PING, close, closing as payloadOf, frame, isCloseCode, text } from "../frames.mjs";
import { bad, filler } from "./build.mjs";

const GROUP = "closing";
const VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001, 4321, 4999];
const INVALID = [0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1100, 1999, 2000, 2999, 5000, 5001, 32768, 65535];

function closed(name, steps, more) {
  return { group: GROUP, name, steps, want: "closed", ...more };
}

function codes() {
  const cases = [];
  for (const code of VALID) {
    if (!isCloseCode(code)) throw new Error(`${code} ought to be allowed`);
    cases.push(closed(`code ${code}`, [close(code)]));
    cases.push(closed(`code ${code} with a reason`, [close(code, `reason of ${code}`)]));
    cases.push(closed(`code ${code}, a byte at a time`, [{ bytewise: close(code, "slowly") }]));
  }
  for (const code of INVALID) {
    cases.push(bad(GROUP, `code ${code}`, 1002, [close(code)]));
    cases.push(bad(GROUP, `code ${code} with a reason`, 1002, [close(code, "a reason")]));
  }
  return cases;
}

function payloads() {
  const wrong = ["c328", "eda080", "ff", "e282", "c0af", "f4908080"];
  return [
    closed("without a payload", [frame(CLOSE)]),
    closed("without a payload, a byte at a time", [{ bytewise: frame(CLOSE) }]),
    bad(GROUP, "a payload of one byte", 1002, [frame(CLOSE, Buffer.from([3]))]),
    closed("a reason of one byte", [close(1000, "x")]),
    closed("a reason of 123 bytes", [close(1000, filler(123))]),
    closed("a reason of 123 bytes, of characters of three", [close(1000, "€".repeat(41))]),
    closed("a reason with every length of character", [close(3500, "aä€😀")]),
    closed("a reason with a NUL", [close(1000, "a\0b")]),
    bad(GROUP, "a reason of 124 bytes", 1002, [close(1000, filler(124))]),
    bad(GROUP, "a reason of 1000 bytes", 1002, [close(1000, filler(1000))]),
    bad(GROUP, "a close frame without FIN", 1002, [frame(CLOSE, payloadOf(1000), { fin: false })]),
    ...wrong.map((digits) => bad(GROUP, `a reason that is no UTF-8: ${digits}`, 1007, [close(1000, Buffer.from(digits, "hex"))])),
    bad(GROUP, "a reason that is no UTF-8, after letters", 1007, [close(3000, Buffer.from("6c657474657273c3", "hex"))]),
  ];
}

function order() {
  const bye = close(1000, "bye");
  return [
    closed("a text, then close", [text("a"), "settle", bye]),
    closed("a text and close at once", [Buffer.concat([text("a"), bye])]),
    closed("a text after close", [Buffer.concat([bye, text("too late")])]),
    closed("a ping after close", [Buffer.concat([bye, frame(PING, "too late")])]),
    closed("a second close", [Buffer.concat([bye, close(1001, "again")])]),
    closed("nonsense after close", [Buffer.concat([bye, Buffer.from("ffffffffffff", "hex")])]),
    closed("a megabyte after close", [Buffer.concat([bye, frame(2, Buffer.alloc(1000000))])]),
    closed("a ping, then close, at once", [Buffer.concat([frame(PING, "p"), bye])]),
    closed("a message begun and close", [Buffer.concat([text("a", { fin: false }), bye])]),
    closed("the client waits for the server to end the connection", [bye], { linger: 80, needs: "patience" }),
    closed("the client waits, after texts", [text("a"), text("b"), "settle", bye], { linger: 80, needs: "patience" }),
    { group: GROUP, name: "the end of the connection without a close frame", steps: ["fin"], want: "cut" },
    { group: GROUP, name: "the same after a text", steps: [text("a"), "settle", "fin"], want: "cut" },
    { group: GROUP, name: "the same inside a header", steps: [text("abc").subarray(0, 1), "fin"], want: "cut" },
    { group: GROUP, name: "the same inside a payload", steps: [text("abc").subarray(0, 3), "fin"], want: "cut" },
    { group: GROUP, name: "the same inside a close frame", steps: [close(1000, "reason").subarray(0, 4), "fin"], want: "cut" },
    { group: GROUP, name: "a reset", steps: [text("a"), "settle", "reset"], want: "cut" },
  ];
}

// The client begins: act is { close = code, reason }.
function byClient() {
  const cases = [];
  const acts = (code, reason) => ({ 0: [{ act: "close", code, reason }] });
  for (const [code, reason] of [[1000, ""], [1000, "bye"], [3000, "ours"], [4999, "€".repeat(41)]]) {
    const more = { acts: acts(code, reason), closed: { code, reason } };
    cases.push(closed(`the client closes with ${code} '${reason.slice(0, 8)}'`, ["closing", close(code, reason)], more));
    cases.push(closed(`the client closes with ${code} '${reason.slice(0, 8)}' and waits`, ["closing", close(code)], { ...more, linger: 80, needs: "patience" }));
  }
  const bye = { acts: acts(1000, "bye"), closed: { code: 1000, reason: "bye" }, sends: [] };
  return [
    ...cases,
    closed("the client closes, the answer is empty", ["closing", frame(CLOSE)], bye),
    closed("the client closes, the answer has another code", ["closing", close(1001, "going")], bye),
    closed("the client closes, texts come before the answer", ["closing", text("a"), text("b"), close(1000)], bye),
    closed("the client closes, pings come before the answer", ["closing", frame(PING, "p"), close(1000)], bye),
    closed("the client closes, and no answer comes", ["closing"], { ...bye, silent: true, ending: "left", options: { close_timeout: 0.2 } }),
    closed("the client closes, texts come and no answer", ["closing", text("a")], { ...bye, silent: true, ending: "left", options: { close_timeout: 0.2 } }),
    closed("both close at once", [close(1000, "server"), "closing"], { acts: acts(1000, "bye"), closed: { code: 1000 } }),
  ];
}

// The client sends of itself: sizes, and what it has queued when it closes.
function sending() {
  const texts = Array.from({ length: 200 }, (_, at) => `queued ${at}`);
  const sends = texts.map((data) => ["text", data]);
  const acts = [...texts.map((data) => ({ act: "send", data })), { act: "close", code: 1000, reason: "" }];
  const more = { closed: { code: 1000, reason: "" } };
  return [
    closed("what is queued goes out before the close frame", ["closing", close(1000)], { ...more, sends, acts: { 0: acts } }),
    closed("a ping of the client is no message", ["pinged", frame(10, "ping!"), "closing", close(1000)],
      { ...more, sends: [], pings: ["ping!"], acts: { 0: [{ act: "ping", data: "ping!" }, { act: "close", code: 1000, reason: "" }] } }),
  ];
}

// After its close frame a client that has failed leaves by itself, if the server does nothing.
function leaving() {
  const silent = { silent: true };
  return [
    bad(GROUP, "a failure, and the server stays: reserved bits", 1002, [text("x", { rsv: 4 })], silent),
    bad(GROUP, "a failure, and the server stays: no UTF-8", 1007, [text(Buffer.from([0xff]))], silent),
    bad(GROUP, "a failure, and the server stays: too long", 1009, [text("long")], { ...silent, options: { limit: 3 } }),
    bad(GROUP, "a failure, and the server talks on", 1002, [text("x", { rsv: 4 }), text("a"), "closing", text("b"), frame(PING, "p")], silent),
    closed("a close frame, and the server stays", [close(1000, "bye")], silent),
    closed("a close frame, and the server talks on", [close(1000, "bye"), "closing", text("b"), frame(PING, "p")], silent),
  ];
}

function heartbeat() {
  const options = { ping_interval: 0.1, ping_timeout: 0.15 };
  return [
    { group: GROUP, name: "pings that nobody answers end the connection", steps: ["pinged"], want: "timeout", pings: [null], options },
    { group: GROUP, name: "a connection that never says anything ends", steps: [], want: "timeout", pings: [null], options },
  ];
}

export function closing() {
  return [...codes(), ...payloads(), ...order(), ...byClient(), ...sending(), ...leaving(), ...heartbeat()];
}
