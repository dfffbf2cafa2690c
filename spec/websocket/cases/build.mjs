// SPDX-License-Identifier: MIT
//
// What the groups of cases share: ways to end a case, and ways to send the same bytes.

import { close } from "../frames.mjs";

// A case whose bytes are right: all is echoed, then the server closes.
export function good(group, name, steps, more = {}) {
  return { group, name, steps: [...steps, "settle", close(1000)], want: "closed", ...more };
}

// A case that the client has to end with that code.
export function bad(group, name, want, steps, more = {}) {
  return { group, name, steps, want, ...more };
}

// The same bytes at once, and a byte at a time.
export function bothWays(make, name, bytes) {
  return [make(name, [bytes]), make(`${name}, a byte at a time`, [{ bytewise: bytes }])];
}

// A generator of numbers in [0, count), the same for each seed (mulberry32).
export function random(seed) {
  let state = seed >>> 0;
  return (count) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * count);
  };
}

// Readable bytes, other ones for each length.
export function filler(length) {
  const line = `${length}: the quick brown fox jumps over the lazy dog. `;
  return Buffer.alloc(length, line);
}
