// SPDX-License-Identifier: MIT
//
// permessage-deflate (RFC 7692) for the strict server, by Node's zlib.  What one message hands on to
// the next, the window, is given to zlib as a dictionary, so that each message is one plain call.

import zlib from "node:zlib";

const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const WINDOW = 32768;

// One direction.  hasContext: whether the window is kept from message to message.
export class Deflate {
  #hasContext;
  #windowBits;
  #window = Buffer.alloc(0);

  constructor({ hasContext = true, windowBits = 15 } = {}) {
    this.#hasContext = hasContext;
    this.#windowBits = windowBits;
  }

  #remember(data) {
    if (!this.#hasContext) return;
    const size = Math.min(WINDOW, 1 << this.#windowBits);
    this.#window = Buffer.concat([this.#window, data.subarray(-size)]).subarray(-size);
  }

  #options() {
    return this.#window.length > 0 ? { dictionary: this.#window } : {};
  }

  deflate(bytes) {
    const data = Buffer.from(bytes);
    const options = { ...this.#options(), windowBits: this.#windowBits, finishFlush: zlib.constants.Z_SYNC_FLUSH };
    const out = zlib.deflateRawSync(data, options);
    this.#remember(data);
    return out.subarray(-4).equals(TAIL) ? out.subarray(0, -4) : out;
  }

  // { data }, or { failure } with the code that says why.
  inflate(bytes, limit = Infinity) {
    const options = { ...this.#options(), finishFlush: zlib.constants.Z_SYNC_FLUSH };
    if (limit < 2 ** 31) options.maxOutputLength = Math.max(limit, 1);
    try {
      const data = zlib.inflateRawSync(Buffer.concat([bytes, TAIL]), options);
      this.#remember(data);
      return { data };
    } catch (error) {
      return { failure: error.code === "ERR_BUFFER_TOO_LARGE" ? 1009 : 1007 };
    }
  }
}
