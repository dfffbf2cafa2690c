// SPDX-License-Identifier: MIT

import { closing } from "./closing.mjs";
import { compression } from "./compression.mjs";
import { control } from "./control.mjs";
import { fragments } from "./fragments.mjs";
import { framing } from "./framing.mjs";
import { handshake } from "./handshake.mjs";
import { mutations } from "./mutations.mjs";
import { utf8 } from "./utf8.mjs";

// The cases in their order: the number of a case is its place.
export function allCases(seed) {
  return [
    ...framing(),
    ...control(),
    ...fragments(),
    ...utf8(),
    ...closing(),
    ...handshake(),
    ...compression(),
    ...mutations(seed),
  ];
}
