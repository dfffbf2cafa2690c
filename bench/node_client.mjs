// SPDX-License-Identifier: MIT
//
// What clients on Node have in common in the bench: arguments, counts and the report line, those of the
// other clients.

// given: options and what they are by default, all numbers.  Gives them as the command line has them, and the
// url.
export function readArguments(given) {
  const found = { ...given, url: "" };
  for (let at = 2; at < process.argv.length; at++) {
    const name = process.argv[at].slice(2);
    if (name in given) found[name] = Number(process.argv[++at]);
    else found.url = process.argv[at];
  }
  return found;
}

let deltas = 0;
let textBytes = 0;
let firstNs = 0n;

// A delta of so many bytes.
export function count(bytes) {
  if (deltas++ === 0) firstNs = process.hrtime.bigint();
  textBytes += bytes;
}

export function report() {
  console.log(
    JSON.stringify({
      deltas,
      text_bytes: textBytes,
      first_ns: Number(firstNs),
      rss_kib: Math.round(process.memoryUsage().rss / 1024),
    }),
  );
  process.exit(0);
}
