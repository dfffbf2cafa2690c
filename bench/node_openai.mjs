// SPDX-License-Identifier: MIT
//
// The package openai on Node in the bench, where it is installed: found by
// NODE_PATH.  The same arguments and report line as the other clients.

import { createRequire } from "node:module";

const { default: OpenAI } = createRequire(import.meta.url)("openai");

let streams = 1;
let requests = 1;
let url = "";
for (let at = 2; at < process.argv.length; at++) {
  const word = process.argv[at];
  if (word === "--streams") streams = Number(process.argv[++at]);
  else if (word === "--requests") requests = Number(process.argv[++at]);
  else url = word;
}

let deltas = 0;
let textBytes = 0;
let firstNs = 0n;

function take(text) {
  if (deltas++ === 0) firstNs = process.hrtime.bigint();
  textBytes += Buffer.byteLength(text);
}

const client = new OpenAI({
  apiKey: "sk-bench",
  baseURL: url.replace(/\/chat\/completions$/, ""),
  maxRetries: 0,
});

async function readReplies() {
  for (let i = 0; i < requests; i++) {
    const stream = await client.chat.completions.create({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream: true,
    });
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta?.content;
      if (text) take(text);
    }
  }
}

await Promise.all(Array.from({ length: streams }, readReplies));
console.log(
  JSON.stringify({
    deltas,
    text_bytes: textBytes,
    first_ns: Number(firstNs),
    rss_kib: Math.round(process.memoryUsage().rss / 1024),
  }),
);
process.exit(0);
