// SPDX-License-Identifier: MIT
//
// The package openai on Node in the bench, where it is installed: found by
// NODE_PATH.  The same arguments and report line as the other clients.

import { createRequire } from "node:module";
import { count, readArguments, report } from "./node_client.mjs";

const { default: OpenAI } = createRequire(import.meta.url)("openai");

const { streams, requests, url } = readArguments({ streams: 1, requests: 1 });

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
      if (text) count(Buffer.byteLength(text));
    }
  }
}

await Promise.all(Array.from({ length: streams }, readReplies));
report();
