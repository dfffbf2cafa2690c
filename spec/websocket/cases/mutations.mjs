// SPDX-License-Identifier: MIT
// Good sessions with some of their bytes changed at random: what a client has to make of them is worked
// out by the reader.  The same seed gives the same cases.

import { BINARY, CONTINUATION, PING, PONG, Reader, close, frame, text } from "../frames.mjs";
import { filler, random } from "./build.mjs";

const GROUP = "mutations";
const LIMIT = 100000;

function session(next) {
  const frames = [];
  const kinds = [
    () => text(filler(next(140))),
    () => text("grüße, 世界 🌍 ".repeat(1 + next(3))),
    () => frame(BINARY, filler(next(300))),
    () => frame(PING, filler(next(126))),
    () => frame(PONG, filler(next(5))),
    () => Buffer.concat([text("be", { fin: false }), frame(PING, "p"), frame(CONTINUATION, "gün ü", { fin: false }), frame(CONTINUATION, "end")]),
  ];
  for (let count = 1 + next(5); count > 0; count--) frames.push(kinds[next(kinds.length)]());
  if (next(2)) frames.push(close([1000, 1001, 3000, 4999][next(4)], "the end".repeat(next(3))));
  return Buffer.concat(frames);
}

const CHANGES = [
  (bytes, at, next) => bytes.fill(bytes[at] ^ (1 << next(8)), at, at + 1), // a bit
  (bytes, at, next) => bytes.fill(next(256), at, at + 1), // a byte
  (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]), // one less
  (bytes, at, next) => Buffer.concat([bytes.subarray(0, at), Buffer.from([next(256)]), bytes.subarray(at)]), // one more
  (bytes, at, next) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + next(12)), bytes.subarray(at)]), // some twice
  (bytes, at) => bytes.subarray(0, at + 1), // cut off
];

function mutate(bytes, next) {
  let changed = Buffer.from(bytes);
  for (let count = 1 + next(3); count > 0; count--) {
    changed = Buffer.from(CHANGES[next(CHANGES.length)](changed, next(changed.length), next));
    if (changed.length === 0) return bytes;
  }
  return changed;
}

function ways(bytes, next) {
  const way = next(3);
  if (way === 0) return bytes;
  return way === 1 ? { bytewise: bytes } : { pieces: 1 + next(40), bytes };
}

export function mutations(seed) {
  const next = random(seed);
  const cases = [];
  for (let number = 1; number <= 400; number++) {
    let bytes = mutate(session(next), next);
    const reader = new Reader({ limit: LIMIT });
    reader.feed(bytes);
    // A header may be looked at when its payload begins.
    if (reader.failure?.code === 1002) bytes = Buffer.concat([bytes, Buffer.alloc(12, "x")]);
    const steps = [ways(bytes, next)];
    let want = reader.failure?.code ?? "closed";
    if (want === "closed" && !reader.isClosed) {
      want = "cut";
      steps.push("fin");
    }
    const needs = want === 1007 ? "early" : reader.failure?.why.includes("minimal") ? "minimal" : undefined;
    cases.push({ needs, group: GROUP, name: `number ${number}: ${bytes.toString("hex").slice(0, 400)}`, steps, want, options: { limit: LIMIT } });
  }
  return cases;
}
