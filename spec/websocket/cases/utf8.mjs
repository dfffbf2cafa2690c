// SPDX-License-Identifier: MIT
// UTF-8 of texts: the borders of what is valid; every class of what is not, however it is cut.

import { BINARY, CONTINUATION, PING, TEXT, frame, text } from "../frames.mjs";
import { Utf8, isUtf8 } from "../utf8.mjs";
import { bad, bothWays, good } from "./build.mjs";

const GROUP = "UTF-8";
const BORDERS = [
  0x00, 0x01, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xffff, 0xfeff,
  0x10000, 0x1fffe, 0x1ffff, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10fffe, 0x10ffff,
];

// Each is wrong, by itself, between letters and after each kind of good character.
const WRONG = {
  "a lone continuation, the first": "80",
  "a lone continuation, the last": "bf",
  "two lone continuations": "80bf",
  "six lone continuations": "80bf80bf80bf",
  "an overlong slash in two": "c0af",
  "an overlong NUL in two": "c080",
  "the largest overlong of two": "c1bf",
  "an overlong slash in three": "e080af",
  "the largest overlong of three": "e09fbf",
  "an overlong NUL in three": "e08080",
  "an overlong slash in four": "f08080af",
  "the largest overlong of four": "f08fbfbf",
  "an overlong slash in five": "f8808080af",
  "an overlong slash in six": "fc80808080af",
  "the first high surrogate": "eda080",
  "the last high surrogate": "edafbf",
  "the first low surrogate": "edb080",
  "the last low surrogate": "edbfbf",
  "a pair of surrogates": "eda080edb080",
  "the first beyond U+10FFFF": "f4908080",
  "U+1FFFFF": "f7bfbfbf",
  "a start with F5": "f5808080",
  "five bytes": "f888808080",
  "six bytes": "fc8480808080",
  "FE": "fe",
  "FF": "ff",
  "FE and FF": "fefeffff",
  "two begun, then a letter": "c320",
  "three begun, then a letter": "e220",
  "three nearly whole, then a letter": "e28220",
  "four begun, then a letter": "f020",
  "four half whole, then a letter": "f09f20",
  "four nearly whole, then a letter": "f09f9820",
  "a start after a start": "c3c3a9",
  "three nearly whole, then a start": "e282c3a9",
  "what the Latin-1 of umlauts would be": "e4f6fc",
};

// These are wrong only because nothing follows.
const TRUNCATED = {
  "two cut after one": "c3",
  "three cut after one": "e2",
  "three cut after two": "e282",
  "four cut after one": "f0",
  "four cut after two": "f09f",
  "four cut after three": "f09f98",
  "a surrogate's beginning that may be none": "ed",
};

function hex(digits) {
  return Buffer.from(digits, "hex");
}

function cutEverywhere(payload) {
  const cuts = [];
  for (let at = 0; at <= payload.length; at++) {
    cuts.push([frame(TEXT, payload.subarray(0, at), { fin: false }), frame(CONTINUATION, payload.subarray(at))]);
  }
  return cuts;
}

function valid() {
  const cases = [];
  for (const code of BORDERS) {
    const character = Buffer.from(String.fromCodePoint(code));
    if (!isUtf8(character)) throw new Error(`U+${code.toString(16)} ought to be valid`);
    const name = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    cases.push(...bothWays((title, steps) => good(GROUP, title, steps), name, text(character)));
    cases.push(good(GROUP, `${name} in frames, cut everywhere`, cutEverywhere(character).map((frames) => Buffer.concat(frames))));
  }
  const mixed = Buffer.from("Grüße, κόσμε, 世界, 🌍🏽, \u{10ffff}!");
  cases.push(
    good(GROUP, "a text of all lengths, cut everywhere", cutEverywhere(mixed).map((frames) => Buffer.concat(frames))),
    good(GROUP, "a text of all lengths, a byte a frame", [Buffer.concat([...mixed].map((byte, at) =>
      frame(at ? CONTINUATION : TEXT, Buffer.from([byte]), { fin: at === mixed.length - 1 })))]),
    good(GROUP, "a ping inside a character", [frame(TEXT, mixed.subarray(0, 3), { fin: false }), frame(PING, "p"), "settle", frame(CONTINUATION, mixed.subarray(3))]),
    good(GROUP, "no UTF-8 in a binary", [frame(BINARY, hex("c080eda080f4908080ff"))]),
    good(GROUP, "no UTF-8 in a ping", [frame(PING, hex("c0ff"))]),
    good(GROUP, "a BOM first", [text("\ufeffbom")]),
    ...[15, 16, 17, 63, 64, 65].map((length) => good(GROUP, `ä after ${length} letters`, [text("x".repeat(length) + "ä" + "y".repeat(20))])),
  );
  return cases;
}

// As many bytes as make it certain that the text is wrong.
function untilCertain(payload) {
  return payload.subarray(0, new Utf8().feed(payload) + 1);
}

function invalid(name, wrong) {
  const around = Buffer.concat([Buffer.from("Hello-µ@ßöä"), wrong, Buffer.from("edited")]);
  const early = untilCertain(around);
  const rest = (payload) => frame(TEXT, payload, { length: payload.length + 50 });
  const cases = [
    bad(GROUP, `${name}: alone`, 1007, [text(wrong), text("after it")]),
    bad(GROUP, `${name}: between letters`, 1007, [text(around)]),
    bad(GROUP, `${name}: a byte at a time`, 1007, [{ bytewise: text(around) }]),
    bad(GROUP, `${name}: after a good text`, 1007, [text("good"), "settle", text(wrong)]),
    bad(GROUP, `${name}: a byte a frame, no end`, 1007, [...early].map((byte, at) =>
      frame(at ? CONTINUATION : TEXT, Buffer.from([byte]), { fin: false })), { needs: "early" }),
    bad(GROUP, `${name}: inside a frame that never ends`, 1007, [rest(early)], { needs: "early" }),
    bad(GROUP, `${name}: a byte at a time in a frame that never ends`, 1007, [{ bytewise: rest(early) }], { needs: "early" }),
    bad(GROUP, `${name}: after 40 letters, in a frame that never ends`, 1007,
      [rest(Buffer.concat([Buffer.alloc(40, "x"), untilCertain(Buffer.concat([wrong, Buffer.from("x")]))]))], { needs: "early" }),
  ];
  for (const [at, frames] of cutEverywhere(wrong).entries()) {
    cases.push(bad(GROUP, `${name}: in two frames, cut at ${at}`, 1007, [Buffer.concat(frames)]));
    cases.push(bad(GROUP, `${name}: in two frames with a ping between, cut at ${at}`, 1007,
      [Buffer.concat([frames[0], frame(PING, "p"), frames[1]])], { needs: "early" }));
  }
  return cases;
}

function truncated(name, bytes) {
  const whole = Buffer.concat([Buffer.from("letters "), bytes]);
  return [
    bad(GROUP, `${name}: alone`, 1007, [text(bytes), text("after it")]),
    bad(GROUP, `${name}: after letters`, 1007, [text(whole)]),
    bad(GROUP, `${name}: a byte at a time`, 1007, [{ bytewise: text(whole) }]),
    bad(GROUP, `${name}: ended by an empty frame`, 1007, [frame(TEXT, whole, { fin: false }), frame(CONTINUATION)]),
    bad(GROUP, `${name}: and its rest in the next message`, 1007, [text(whole), text(hex("9898"))]),
    { group: GROUP, name: `${name}: and the end of the connection`, steps: [frame(TEXT, whole, { fin: false }), "fin"], want: "cut" },
  ];
}

export function utf8() {
  const cases = valid();
  for (const [name, digits] of Object.entries(WRONG)) {
    if (new Utf8().feed(hex(digits)) < 0) throw new Error(`${name} ought to be wrong`);
    cases.push(...invalid(name, hex(digits)));
  }
  for (const [name, digits] of Object.entries(TRUNCATED)) cases.push(...truncated(name, hex(digits)));
  return cases;
}
