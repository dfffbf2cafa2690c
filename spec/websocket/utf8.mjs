// SPDX-License-Identifier: MIT
//
// UTF-8 by RFC 3629, a byte at a time, so that it can be said which byte is the first that cannot be right.

export class Utf8 {
  #left = 0; // bytes of the character that are still to come
  #low = 0x80; // what the next one may be
  #high = 0xbf;

  // Index of the first byte that cannot be right; -1 if there is none.
  feed(bytes) {
    for (let at = 0; at < bytes.length; at++) {
      if (!this.#take(bytes[at])) return at;
    }
    return -1;
  }

  isWhole() {
    return this.#left === 0;
  }

  #take(byte) {
    if (this.#left > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#left--;
      this.#expect(this.#left, 0x80, 0xbf);
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    if (byte < 0xe0) this.#expect(1, 0x80, 0xbf);
    else if (byte < 0xf0) this.#expect(2, byte === 0xe0 ? 0xa0 : 0x80, byte === 0xed ? 0x9f : 0xbf);
    else this.#expect(3, byte === 0xf0 ? 0x90 : 0x80, byte === 0xf4 ? 0x8f : 0xbf);
    return true;
  }

  #expect(left, low, high) {
    this.#left = left;
    this.#low = low;
    this.#high = high;
  }
}

// Whether all of it is UTF-8, whole.
export function isUtf8(bytes) {
  const state = new Utf8();
  return state.feed(bytes) === -1 && state.isWhole();
}
