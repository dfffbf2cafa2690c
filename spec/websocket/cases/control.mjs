// SPDX-License-Identifier: MIT
// Pings and pongs; reserved bits; reserved opcodes.

import { BINARY, CLOSE, PING, PONG, TEXT, frame, text } from "../frames.mjs";
import { bad, bothWays, filler, good } from "./build.mjs";

function pings() {
  const group = "pings and pongs";
  const cases = [];
  for (const length of [0, 1, 2, 3, 4, 5, 8, 31, 64, 100, 124, 125]) {
    cases.push(...bothWays((name, steps) => good(group, name, steps), `a ping of ${length} bytes`, frame(PING, filler(length))));
  }
  for (const length of [126, 127, 1000, 65535, 65536]) {
    cases.push(bad(group, `a ping of ${length} bytes`, 1002, [frame(PING, filler(length))]));
    cases.push(bad(group, `a pong of ${length} bytes`, 1002, [frame(PONG, filler(length))]));
  }
  cases.push(bad(group, "a ping of 126 bytes, its first two alone", 1002, [frame(PING, filler(126)).subarray(0, 2)], { needs: "early" }));
  const binary = Buffer.from([0, 255, 254, 253, 128, 192, 0]);
  const all = Array.from({ length: 256 }, (_, at) => Buffer.from([at]));
  const numbered = (count) => Array.from({ length: count }, (_, at) => frame(PING, `${at}`));
  cases.push(
    good(group, "a ping that is no text", [frame(PING, binary)]),
    good(group, "pings of every byte, one after the other", all.flatMap((byte) => [frame(PING, byte), "settle"])),
    good(group, "ten pings, each waited for", numbered(10).flatMap((bytes) => [bytes, "settle"])),
    good(group, "ten pings at once", [Buffer.concat(numbered(10))]),
    good(group, "a thousand pings at once", [Buffer.concat(numbered(1000))], { needs: "flood" }),
    good(group, "a thousand pings in pieces of 5", [{ pieces: 5, bytes: Buffer.concat(numbered(1000)) }], { needs: "flood" }),
    good(group, "ten pings, a byte at a time", [{ bytewise: Buffer.concat(numbered(10)) }]),
    good(group, "a thousand pings of 125 bytes", [Buffer.concat(Array.from({ length: 1000 }, (_, at) => frame(PING, filler(125).fill(`${at}.`, 0, 5))))], { needs: "flood" }),
    good(group, "an unsolicited pong", [frame(PONG, "unsolicited"), text("and a text")]),
    good(group, "an unsolicited pong without payload", [frame(PONG), text("and a text")]),
    good(group, "a hundred unsolicited pongs", [Buffer.concat(Array(100).fill(frame(PONG, filler(125)))), text("and a text")]),
    good(group, "a pong, then a ping with the same payload", [frame(PONG, "same"), frame(PING, "same")]),
    good(group, "pings between texts", [Buffer.concat([text("a"), frame(PING, "1"), text("b"), frame(PING, "2"), text("c")])]),
    bad(group, "a ping in two frames", 1002, [frame(PING, "a", { fin: false })]),
    bad(group, "a pong in two frames", 1002, [frame(PONG, "a", { fin: false })]),
    bad(group, "a ping in two frames, inside a message", 1002, [text("a", { fin: false }), frame(PING, "a", { fin: false })]),
    bad(group, "a ping in two frames, and its second", 1002, [frame(PING, "a", { fin: false }), frame(0, "b")]),
  );
  return cases;
}

function reserved(group, name, bytes) {
  const late = text("after it");
  return [
    bad(group, name, 1002, [Buffer.concat([bytes, late])]),
    bad(group, `${name}, after a message`, 1002, [text("before"), "settle", bytes, late]),
    bad(group, `${name}, at once with a message`, 1002, [Buffer.concat([text("before"), bytes, late])]),
    bad(group, `${name}, inside a message`, 1002, [text("be", { fin: false }), bytes, late]),
    bad(group, `${name}, a byte at a time`, 1002, [{ bytewise: bytes }]),
  ];
}

function bits() {
  const group = "reserved bits";
  const cases = [];
  for (const rsv of [1, 2, 3, 4, 5, 6, 7]) {
    const bits = `bits ${rsv.toString(2).padStart(3, "0")}`;
    cases.push(...reserved(group, `${bits} on a text`, text("x", { rsv })));
    for (const [kind, opcode, payload] of [["binary", BINARY, "x"], ["ping", PING, "x"], ["pong", PONG, "x"], ["close", CLOSE, "\x03\xe8"]]) {
      cases.push(bad(group, `${bits} on a ${kind}`, 1002, [frame(opcode, Buffer.from(payload, "latin1"), { rsv })]));
    }
    cases.push(bad(group, `${bits} on a continuation`, 1002, [text("a", { fin: false }), frame(0, "b", { rsv })]));
    cases.push(bad(group, `${bits} on an empty text`, 1002, [text("", { rsv })]));
    cases.push(bad(group, `${bits}, nothing after the payload's first byte`, 1002, [text("xyz", { rsv }).subarray(0, 3)], { needs: "early" }));
  }
  return cases;
}

function opcodes() {
  const group = "opcodes";
  const cases = [];
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    cases.push(...reserved(group, `opcode ${opcode}`, frame(opcode, "payload")));
    cases.push(bad(group, `opcode ${opcode} without payload`, 1002, [frame(opcode)]));
    cases.push(bad(group, `opcode ${opcode} without FIN`, 1002, [frame(opcode, "x", { fin: false }), frame(0, "y")]));
    cases.push(bad(group, `opcode ${opcode}, nothing after the payload's first byte`, 1002, [frame(opcode, "xyz").subarray(0, 3)], { needs: "early" }));
  }
  return cases;
}

export function control() {
  return [...pings(), ...bits(), ...opcodes()];
}
