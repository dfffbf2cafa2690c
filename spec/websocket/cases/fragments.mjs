// SPDX-License-Identifier: MIT
// Fragmentation: every order of frames that four of them can have, and what stands between them.

import { BINARY, CONTINUATION, PING, PONG, Reader, TEXT, frame, text } from "../frames.mjs";
import { bad, bothWays, filler, good } from "./build.mjs";

const GROUP = "fragmentation";
const MORE = { fin: false };

const KINDS = {
  T: () => text("whole"),
  t: () => text("begun ", MORE),
  b: () => frame(BINARY, Buffer.from([0, 255]), MORE),
  c: () => frame(CONTINUATION, "middle ", MORE),
  C: () => frame(CONTINUATION, "end"),
  p: (at) => frame(PING, `ping ${at}`),
  o: () => frame(PONG, "pong"),
};

// Every sequence of so many frames; what a client has to make of it is the reader's to say.
function orders(length) {
  let words = [""];
  for (let at = 0; at < length; at++) words = words.flatMap((word) => Object.keys(KINDS).map((kind) => word + kind));
  const cases = [];
  for (const word of words) {
    const bytes = Buffer.concat([...word].map((kind, at) => KINDS[kind](at)));
    const reader = new Reader();
    reader.feed(bytes);
    const name = `frames ${word}`;
    if (reader.failure) cases.push(bad(GROUP, name, reader.failure.code, [bytes]));
    else if (reader.isInside()) cases.push(good(GROUP, name, [bytes, KINDS.C()]));
    else cases.push(good(GROUP, name, [bytes]));
  }
  return cases;
}

function inFrames(opcode, payload, size) {
  const frames = [];
  for (let at = 0; at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    frames.push(frame(at === 0 ? opcode : CONTINUATION, payload.subarray(at, at + size), { fin }));
  }
  return frames;
}

function sizes() {
  const cases = [];
  for (const [length, size] of [[5, 1], [100, 1], [1000, 1], [1000, 125], [10000, 126], [65536, 1000], [1048576, 65536], [1048576, 4096]]) {
    const payload = filler(length);
    const name = `${length} bytes in frames of ${size}`;
    cases.push(good(GROUP, `text of ${name}`, [Buffer.concat(inFrames(TEXT, payload, size))]));
    cases.push(good(GROUP, `binary of ${name}`, [Buffer.concat(inFrames(BINARY, payload, size))]));
  }
  const pinged = inFrames(TEXT, filler(200), 10).flatMap((bytes, at) => [frame(PING, `${at}`), bytes]);
  cases.push(...bothWays((name, steps) => good(GROUP, name, steps), "pings before each fragment", Buffer.concat(pinged)));
  cases.push(good(GROUP, "pings before each fragment, each answered before the message is whole",
    inFrames(TEXT, filler(50), 10).flatMap((bytes, at) => [frame(PING, `${at}`), "settle", bytes])));
  return cases;
}

function empties() {
  const end = frame(CONTINUATION, "");
  const middle = frame(CONTINUATION, "", MORE);
  return [
    good(GROUP, "two empty fragments", [text("", MORE), end]),
    good(GROUP, "three empty fragments", [text("", MORE), middle, end]),
    good(GROUP, "empty, something, empty", [text("", MORE), frame(CONTINUATION, "x", MORE), end]),
    good(GROUP, "something between a thousand empty fragments", [Buffer.concat([text("", MORE), ...Array(1000).fill(middle), frame(CONTINUATION, "x")])]),
    good(GROUP, "an empty binary in two", [frame(BINARY, "", MORE), end]),
  ];
}

function between() {
  const close = Buffer.from([0x88, 2, 3, 232]);
  return [
    { group: GROUP, name: "a close frame inside a message", steps: [text("a", MORE), close], want: "closed" },
    { group: GROUP, name: "a close frame inside a message, after a ping", steps: [text("a", MORE), frame(PING, "p"), "settle", close], want: "closed" },
    { group: GROUP, name: "the end of the connection inside a message", steps: [text("a", MORE), "fin"], want: "cut" },
    bad(GROUP, "a continuation after a message of two", 1002, [text("a", MORE), frame(CONTINUATION, "b"), "settle", frame(CONTINUATION, "c")]),
    bad(GROUP, "a continuation after a message of one", 1002, [text("a"), "settle", frame(CONTINUATION, "c")]),
    bad(GROUP, "a continuation first, which never ends", 1002, [frame(CONTINUATION, "cd").subarray(0, 3)], { needs: "early" }),
    bad(GROUP, "a text inside a text, which never ends", 1002, [text("a", MORE), text("bc").subarray(0, 3)], { needs: "early" }),
    good(GROUP, "two messages in two frames each, at once", [Buffer.concat([text("a", MORE), frame(CONTINUATION, "b"), frame(BINARY, "c", MORE), frame(CONTINUATION, "d")])]),
  ];
}

export function fragments() {
  return [...orders(1), ...orders(2), ...orders(3), ...sizes(), ...empties(), ...between()];
}
