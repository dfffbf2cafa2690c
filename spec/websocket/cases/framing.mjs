// SPDX-License-Identifier: MIT
// Sizes at the borders of the three forms of a length, up to 16 MiB; lengths that are not minimal.

import { BINARY, PING, TEXT, frame } from "../frames.mjs";
import { bad, bothWays, filler, good } from "./build.mjs";

const GROUP = "framing";
const SMALL = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 124, 125, 126, 127, 128, 129, 255, 256, 1000];
const LARGE = [4095, 4096, 16383, 16384, 16385, 65534, 65535, 65536, 65537, 131072, 1000000];
const MIB = 1048576;
const KINDS = { text: TEXT, binary: BINARY };

function binary(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 131 + (at >> 8)) & 255;
  return bytes;
}

function payload(kind, length) {
  return kind === "text" ? filler(length) : binary(length);
}

function sizes(kind) {
  const opcode = KINDS[kind];
  const cases = SMALL.flatMap((length) => {
    const bytes = frame(opcode, payload(kind, length));
    return bothWays((name, steps) => good(GROUP, name, steps), `${kind} of ${length} bytes`, bytes);
  });
  for (const length of LARGE) {
    const bytes = frame(opcode, payload(kind, length));
    cases.push(good(GROUP, `${kind} of ${length} bytes`, [bytes]));
    cases.push(good(GROUP, `${kind} of ${length} bytes, in pieces of 997`, [{ pieces: 997, bytes }]));
  }
  for (const length of [2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB]) {
    cases.push(good(GROUP, `${kind} of ${length / MIB} MiB`, [(() => frame(opcode, payload(kind, length)))]));
  }
  return cases;
}

function many() {
  const texts = Array.from({ length: 500 }, (_, at) => frame(TEXT, `message ${at}`));
  const mixed = Array.from({ length: 100 }, (_, at) => [frame(TEXT, `${at}`), frame(BINARY, binary(at))]).flat();
  return [
    good(GROUP, "500 texts at once", [Buffer.concat(texts)]),
    good(GROUP, "500 texts in pieces of 7", [{ pieces: 7, bytes: Buffer.concat(texts) }]),
    good(GROUP, "texts and binaries in turn", [Buffer.concat(mixed)]),
    good(GROUP, "100 empty texts", [Buffer.concat(Array(100).fill(frame(TEXT)))]),
    good(GROUP, "100 texts, each waited for", texts.slice(0, 100).flatMap((bytes) => [bytes, "settle"])),
  ];
}

function notMinimal() {
  const cases = [];
  for (const [length, form] of [[0, 16], [1, 16], [125, 16], [0, 64], [1, 64], [125, 64], [126, 64], [65535, 64]]) {
    const bytes = frame(TEXT, filler(length), { form });
    const name = `a length of ${length} in ${form} bits`;
    cases.push(bad(GROUP, name, 1002, [bytes], { needs: "minimal" }));
    cases.push(bad(GROUP, `${name}, nothing after it`, 1002, [{ bytewise: bytes.subarray(0, form === 16 ? 4 : 10) }], { needs: "minimal" }));
  }
  return cases;
}

function tooLong() {
  const huge = (length) => frame(BINARY, "x", { form: 64, length });
  return [
    bad(GROUP, "a length of 2^63", 1002, [huge(1n << 63n)], { needs: "early" }),
    bad(GROUP, "a length of 2^64 - 1", 1002, [huge((1n << 64n) - 1n)], { needs: "early" }),
    bad(GROUP, "a length of 2^63 - 1, beyond any limit", 1009, [huge((1n << 63n) - 1n)], { needs: "early", options: { limit: 1000000 } }),
    bad(GROUP, "a length of 2^32 + 5, beyond the limit", 1009, [huge((1n << 32n) + 5n)], { needs: "early", options: { limit: 1000000 } }),
  ];
}

function limits() {
  const options = { limit: 1000 };
  const half = (fin, opcode, length) => frame(opcode, filler(length), { fin });
  return [
    good(GROUP, "a message as long as the limit", [frame(TEXT, filler(1000))], { options }),
    bad(GROUP, "a byte more than the limit", 1009, [frame(TEXT, filler(1001))], { options }),
    bad(GROUP, "a byte more than the limit, of which one comes", 1009, [frame(TEXT, filler(1001)).subarray(0, 5)], { options, needs: "early" }),
    good(GROUP, "two fragments as long as the limit", [half(false, TEXT, 500), half(true, 0, 500)], { options }),
    bad(GROUP, "two fragments with a byte more", 1009, [half(false, TEXT, 500), half(true, 0, 501)], { options }),
    bad(GROUP, "fragments without an end", 1009, [half(false, TEXT, 999), ...Array(3).fill(half(false, 0, 1))], { options, needs: "early" }),
    good(GROUP, "many messages that are more together", Array(5).fill(frame(TEXT, filler(900))), { options }),
    good(GROUP, "a ping does not count against the limit", [half(false, TEXT, 1000), frame(PING, filler(125)), frame(0)], { options }),
  ];
}

function masked() {
  const mask = Buffer.from([1, 2, 3, 4]);
  const cases = [];
  for (const [name, bytes] of [
    ["a masked text", frame(TEXT, "hello", { mask })],
    ["a masked text, the mask zero", frame(TEXT, "hello", { mask: Buffer.alloc(4) })],
    ["a masked binary", frame(BINARY, binary(200), { mask })],
    ["a masked ping", frame(PING, "x", { mask })],
    ["a masked close", frame(8, Buffer.from([3, 232]), { mask })],
    ["a masked empty text", frame(TEXT, "", { mask })],
  ]) {
    cases.push(bad(GROUP, name, 1002, [bytes]));
    cases.push(bad(GROUP, `${name} after a good one`, 1002, [frame(TEXT, "good"), "settle", bytes]));
  }
  return cases;
}

export function framing() {
  return [...sizes("text"), ...sizes("binary"), ...many(), ...notMinimal(), ...tooLong(), ...limits(), ...masked()];
}
