// SPDX-License-Identifier: MIT
//
// Frames of RFC 6455: a builder that builds whatever it is told, right or wrong, and a reader that accepts
// only what is right.  The reader judges what a client sends, and, from the other side, says what a
// client has to make of the bytes that it gets: messages, pings, and how it ends.

import { Utf8, isUtf8 } from "./utf8.mjs";

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

const NAMES = { [TEXT]: "text", [BINARY]: "binary", [CLOSE]: "close", [PING]: "ping", [PONG]: "pong" };

// options: fin (true), rsv (0; 4 is RSV1), mask (four bytes), form (7, 16 or 64: how the length is
// written), length (what is written instead of the payload's).
export function frame(opcode, payload = "", options = {}) {
  const body = Buffer.from(payload);
  const length = options.length ?? body.length;
  const form = options.form ?? (length < 126 ? 7 : length < 65536 ? 16 : 64);
  const head = Buffer.alloc({ 7: 2, 16: 4, 64: 10 }[form]);
  head[0] = (options.fin === false ? 0 : 0x80) | ((options.rsv ?? 0) << 4) | opcode;
  head[1] = { 7: Number(length), 16: 126, 64: 127 }[form] | (options.mask ? 0x80 : 0);
  if (form === 16) head.writeUInt16BE(Number(length), 2);
  if (form === 64) head.writeBigUInt64BE(BigInt(length), 2);
  if (!options.mask) return Buffer.concat([head, body]);
  return Buffer.concat([head, options.mask, unmask(body, options.mask, 0)]);
}

export function text(payload, options) {
  return frame(TEXT, payload, options);
}

// The payload of a close frame.
export function closing(code, reason = "") {
  const number = Buffer.alloc(2);
  number.writeUInt16BE(code);
  return Buffer.concat([number, Buffer.from(reason)]);
}

export function close(code, reason) {
  return frame(CLOSE, closing(code, reason));
}

function unmask(bytes, key, offset) {
  const out = Buffer.allocUnsafe(bytes.length);
  for (let at = 0; at < bytes.length; at++) out[at] = bytes[at] ^ key[(at + offset) & 3];
  return out;
}

// Codes that may stand in a close frame: section 7.4 and the registry of IANA.
export function isCloseCode(code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

// settings: isFromClient, limit (bytes of a message), deflate (an object with inflate(bytes, limit)).
// Events are { kind: "text" | "binary" | "ping" | "pong", data } and { kind: "close", code, reason }.
export class Reader {
  failure = null; // { code, why, at }: at counts the bytes after which it was certain
  isClosed = false; // a close frame was read: nothing after it counts
  trailing = 0; // bytes after it
  keys = []; // of masks, as numbers
  #settings;
  #head = Buffer.alloc(0);
  #frame = null; // { opcode, fin, left, length, key, parts }
  #message = null; // { opcode, isCompressed, parts, length, utf8 }: begun by a data frame
  #at = 0;

  constructor(settings = {}) {
    this.#settings = { limit: Infinity, ...settings };
  }

  // Whether a frame or a message has begun and not ended.
  isInside() {
    return this.#head.length > 0 || this.#frame !== null || this.#message !== null;
  }

  feed(chunk) {
    const events = [];
    let from = 0;
    while (from < chunk.length && !this.failure && !this.isClosed) {
      const wanted = this.#frame ? this.#frame.left : this.#headLeft();
      const piece = chunk.subarray(from, from + wanted);
      from += piece.length;
      this.#at += piece.length;
      if (this.#frame) this.#takePayload(piece);
      else this.#takeHead(piece);
      if (this.#frame && this.#frame.left === 0 && !this.failure) this.#endFrame(events);
    }
    if (this.isClosed) this.trailing += chunk.length - from;
    return events;
  }

  #fail(code, why, at = this.#at) {
    this.failure ??= { code, why, at };
  }

  #headSize() {
    const length = this.#head[1] & 0x7f;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (this.#head[1] & 0x80 ? 4 : 0);
  }

  #headLeft() {
    return (this.#head.length < 2 ? 2 : this.#headSize()) - this.#head.length;
  }

  #takeHead(piece) {
    const had = this.#head.length;
    this.#head = Buffer.concat([this.#head, piece]);
    if (had < 2 && this.#head.length === 2) this.#checkHead();
    if (this.failure || this.#head.length < 2 || this.#headLeft() > 0) return;
    const head = this.#head;
    this.#head = Buffer.alloc(0);
    const short = head[1] & 0x7f;
    const length = short === 126 ? BigInt(head.readUInt16BE(2)) : short === 127 ? head.readBigUInt64BE(2) : BigInt(short);
    if ((short === 126 && length < 126n) || (short === 127 && length < 65536n)) this.#fail(1002, "the length is not minimal");
    if (length >> 63n) this.#fail(1002, "the highest bit of the length is set");
    const key = head[1] & 0x80 ? head.subarray(head.length - 4) : null;
    if (key) this.keys.push(key.readUInt32BE());
    this.#frame = { opcode: head[0] & 15, fin: head[0] >= 0x80, left: Number(length), length: Number(length), key, parts: [] };
    if (this.#frame.opcode < 8 && !this.failure) this.#beginData(head[0]);
  }

  // All that two bytes can tell.
  #checkHead() {
    const [first, second] = this.#head;
    const opcode = first & 15;
    const isControl = opcode >= 8;
    const mayBeCompressed = this.#settings.deflate && (opcode === TEXT || opcode === BINARY);
    if (first & (mayBeCompressed ? 0x30 : 0x70)) this.#fail(1002, "a reserved bit is set");
    if ((opcode > 2 && !isControl) || opcode > PONG) this.#fail(1002, `opcode ${opcode} is reserved`);
    if (isControl && first < 0x80) this.#fail(1002, "a control frame is fragmented");
    if (isControl && (second & 0x7f) > 125) this.#fail(1002, "a control frame is longer than 125 bytes");
    if (second >= 0x80 !== Boolean(this.#settings.isFromClient)) this.#fail(1002, "masked by the wrong side, or not masked");
    if (opcode === CONTINUATION && !this.#message) this.#fail(1002, "a continuation of nothing");
    if (opcode > 0 && !isControl && this.#message) this.#fail(1002, "a message inside a message");
  }

  #beginData(first) {
    if (this.#frame.opcode !== CONTINUATION) {
      const isCompressed = (first & 0x40) !== 0;
      const utf8 = this.#frame.opcode === TEXT && !isCompressed ? new Utf8() : null;
      this.#message = { opcode: this.#frame.opcode, isCompressed, parts: [], length: 0, utf8 };
    }
    this.#message.length += this.#frame.length;
    if (!this.#message.isCompressed && this.#message.length > this.#settings.limit) this.#fail(1009, "the message is too long");
  }

  #takePayload(piece) {
    const frame = this.#frame;
    const data = frame.key ? unmask(piece, frame.key, frame.length - frame.left) : piece;
    frame.left -= piece.length;
    if (frame.opcode >= 8) {
      frame.parts.push(data);
      return;
    }
    this.#message.parts.push(data);
    const wrong = this.#message.utf8?.feed(data) ?? -1;
    if (wrong >= 0) this.#fail(1007, "the text is no UTF-8", this.#at - piece.length + wrong + 1);
  }

  #endFrame(events) {
    const { opcode, fin, parts } = this.#frame;
    this.#frame = null;
    if (opcode === CLOSE) this.#endClose(Buffer.concat(parts), events);
    else if (opcode >= 8) events.push({ kind: NAMES[opcode], data: Buffer.concat(parts) });
    else if (fin) this.#endMessage(events);
  }

  #endMessage(events) {
    const message = this.#message;
    this.#message = null;
    if (message.utf8 && !message.utf8.isWhole()) return this.#fail(1007, "the text ends inside a character");
    let data = Buffer.concat(message.parts);
    if (message.isCompressed) {
      const inflated = this.#settings.deflate.inflate(data, this.#settings.limit);
      if (inflated.failure) return this.#fail(inflated.failure, "it does not inflate");
      data = inflated.data;
      if (message.opcode === TEXT && !isUtf8(data)) return this.#fail(1007, "what it inflates to is no UTF-8");
    }
    events.push({ kind: NAMES[message.opcode], data, isCompressed: message.isCompressed });
  }

  #endClose(payload, events) {
    if (payload.length === 1) return this.#fail(1002, "a close frame with one byte");
    const code = payload.length === 0 ? 1005 : payload.readUInt16BE();
    const reason = payload.subarray(2);
    if (payload.length > 0 && !isCloseCode(code)) return this.#fail(1002, `a close frame with code ${code}`);
    if (!isUtf8(reason)) return this.#fail(1007, "the reason is no UTF-8");
    this.isClosed = true;
    events.push({ kind: "close", code, reason: reason.toString() });
  }
}
