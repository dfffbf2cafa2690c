// SPDX-License-Identifier: MIT
// permessage-deflate (RFC 7692), for clients that offer it.

import zlib from "node:zlib";
import { BINARY, CONTINUATION, PING, TEXT, close, frame, text } from "../frames.mjs";
import { bad, filler, good, random } from "./build.mjs";

const GROUP = "compression";
const RSV1 = { rsv: 4 };

const PARAMETERS = {
  "both keep their windows": "permessage-deflate",
  "the server begins anew": "permessage-deflate; server_no_context_takeover",
  "the client begins anew": "permessage-deflate; client_no_context_takeover",
  "both begin anew": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  "a window of 9 bits": "permessage-deflate; server_max_window_bits=9",
  "a window of 12 bits, quoted": "permessage-deflate; server_max_window_bits=\"12\"",
  "a window of 15 bits, odd blanks": "permessage-deflate  ;server_max_window_bits=15",
};

function agreed(extension, more = {}) {
  return { ...more, options: { deflate: true, ...more.options }, answer: { headers: { "Sec-WebSocket-Extensions": extension } } };
}

function noise(length) {
  const next = random(length);
  return Buffer.from(Array.from({ length }, () => next(256)));
}

// A message compressed by the case's compressor when its turn comes.
function packed(opcode, payload, size) {
  return (compressor) => {
    const bytes = compressor.deflate(payload);
    if (!size) return frame(opcode, bytes, RSV1);
    const frames = [];
    for (let at = 0; at < bytes.length || at === 0; at += size) {
      const options = { fin: at + size >= bytes.length, rsv: at === 0 ? 4 : 0 };
      frames.push(frame(at === 0 ? opcode : CONTINUATION, bytes.subarray(at, at + size), options));
    }
    return Buffer.concat(frames);
  };
}

function right() {
  const cases = [];
  for (const [name, extension] of Object.entries(PARAMETERS)) {
    const more = agreed(extension);
    const line = "the same line again and again, ";
    cases.push(
      good(GROUP, `${name}: a text`, [packed(TEXT, "hello, hello, hello")], more),
      good(GROUP, `${name}: an empty text`, [packed(TEXT, "")], more),
      good(GROUP, `${name}: a text that was not compressed`, [text("plain")], more),
      good(GROUP, `${name}: compressed and plain in turn`, [packed(TEXT, line), text(line), packed(TEXT, line), text(line), packed(TEXT, line)], more),
      good(GROUP, `${name}: twenty alike`, Array(20).fill(packed(TEXT, line)), more),
      good(GROUP, `${name}: twenty alike, each waited for`, Array(20).fill([packed(TEXT, line), "settle"]).flat(), more),
      good(GROUP, `${name}: sizes`, [1, 10, 125, 126, 1000, 65535, 65536, 200000].map((length) => packed(TEXT, filler(length))), more),
      good(GROUP, `${name}: binaries`, [packed(BINARY, noise(1000)), packed(BINARY, Buffer.alloc(100000)), packed(BINARY, noise(70000))], more),
      good(GROUP, `${name}: in frames of 10`, [packed(TEXT, filler(1000), 10), packed(TEXT, filler(1000), 10)], more),
      good(GROUP, `${name}: in frames of 1, with pings`, [packed(TEXT, filler(200), 1), frame(PING, "p"), packed(TEXT, filler(200), 1)], more),
      good(GROUP, `${name}: a megabyte`, [packed(TEXT, filler(1048576))], more),
    );
  }
  cases.push(good(GROUP, "16 MiB of zeros", [packed(BINARY, Buffer.alloc(16777216))], agreed("permessage-deflate")));
  return cases;
}

// Other ways to end a message than a sync flush without its tail (7.2.3).
function blocks() {
  const more = agreed("permessage-deflate; server_no_context_takeover");
  const final = zlib.deflateRawSync(Buffer.from("a final block"));
  const stored = Buffer.from("000500faff48656c6c6f00", "hex");
  return [
    good(GROUP, "RFC 7692's example of a block without compression", [frame(TEXT, stored, RSV1)], more),
    good(GROUP, "RFC 7692's example of two frames", [Buffer.from("4103f248cd", "hex"), Buffer.from("8004c9c90700", "hex")], more),
    good(GROUP, "RFC 7692's example of a final block", [Buffer.from("c108f348cdc9c9070000", "hex")], more),
    good(GROUP, "RFC 7692's example of two blocks", [Buffer.from("c10df248050000" + "00ffffcac9c90700", "hex")], more),
    good(GROUP, "a final block, then a message", [frame(TEXT, Buffer.concat([final, Buffer.from([0])]), RSV1), packed(TEXT, "and on")], more),
  ];
}

function wrong() {
  const more = agreed("permessage-deflate");
  const limited = agreed("permessage-deflate", { options: { limit: 100000 } });
  const bomb = (length) => packed(BINARY, Buffer.alloc(length));
  return [
    ...["ff", "07", "0000000000", "fdff"].map((digits) =>
      bad(GROUP, `data that is no deflate: ${digits}`, 1007, [frame(TEXT, Buffer.from(digits, "hex"), RSV1)], more)),
    bad(GROUP, "data that is no deflate, after good messages", 1007, [packed(TEXT, "good"), "settle", frame(TEXT, Buffer.from("07", "hex"), RSV1)], more),
    bad(GROUP, "a distance that goes too far back", 1007, [frame(BINARY, Buffer.from("4a04aa0100", "hex"), RSV1)], more),
    bad(GROUP, "no UTF-8 once inflated", 1007, [packed(TEXT, Buffer.from("6162c328", "hex"))], more),
    bad(GROUP, "a truncated character once inflated", 1007, [packed(TEXT, Buffer.from("6162e282", "hex"))], more),
    good(GROUP, "no UTF-8 in a compressed binary", [packed(BINARY, Buffer.from("6162c328", "hex"))], more),
    bad(GROUP, "no UTF-8 in a plain text", 1007, [text(Buffer.from("c328", "hex"))], more),
    bad(GROUP, "RSV1 on a continuation", 1002, [text("a", { fin: false, rsv: 4 }), frame(CONTINUATION, "b", RSV1)], more),
    bad(GROUP, "RSV1 on a ping", 1002, [frame(PING, "a", RSV1)], more),
    bad(GROUP, "RSV1 on a close", 1002, [frame(8, Buffer.from([3, 232]), RSV1)], more),
    bad(GROUP, "RSV2 beside RSV1", 1002, [text("a", { rsv: 6 })], more),
    bad(GROUP, "RSV3 beside RSV1", 1002, [text("a", { rsv: 5 })], more),
    bad(GROUP, "RSV1 when it was offered and not agreed", 1002, [text("a", RSV1)], { options: { deflate: true } }),
    good(GROUP, "offered and not agreed", [text("plain")], { options: { deflate: true } }),
    good(GROUP, "as long as the limit once inflated", [bomb(100000)], limited),
    bad(GROUP, "a byte more than the limit once inflated", 1009, [bomb(100001)], limited),
    bad(GROUP, "a bomb of 64 MiB", 1009, [bomb(67108864)], limited),
    bad(GROUP, "a bomb in frames", 1009, [packed(BINARY, Buffer.alloc(20000000), 100)], limited),
    { group: GROUP, name: "a close frame", steps: [packed(TEXT, "x"), "settle", close(1001, "bye")], want: "closed", ...more },
  ];
}

export function compression() {
  return [...right(), ...blocks(), ...wrong()];
}
