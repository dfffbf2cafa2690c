// SPDX-License-Identifier: MIT
//
// The package aimock: OpenAI's Responses and Realtime over WebSocket, from fixtures.
//
//   node aimock_server.mjs PORT     tells PORT of 127.0.0.1 its own port, ends when its standard input does
//
// GET /__aimock/journal gives what was asked.

import net from "node:net";
import { createRequire } from "node:module";

const { LLMock } = createRequire(import.meta.url)("@copilotkit/aimock");

const mock = new LLMock({ port: 0, host: "127.0.0.1", logLevel: "silent", chunkSize: 5, auth: { apiKeys: ["sk-spec-1234567890abcdef"] } });
mock.addFixturesFromJSON([
  { match: { userMessage: "hello" }, response: { content: "Hello! How can I help you today? ☕" } },
  { match: { userMessage: "and again" }, response: { content: "The second answer." } },
  { match: { userMessage: "weather", hasToolResult: false }, response: { toolCalls: [{ id: "call_1", name: "weather", arguments: "{\"city\":\"Riga\"}" }] } },
  { match: { toolCallId: "call_1" }, response: { content: "It rains in Riga." } },
  { match: { userMessage: "fail" }, response: { error: { message: "The model is overloaded", type: "server_error", code: "overloaded" }, status: 503 } },
  { match: { userMessage: "break off" }, response: { content: "This is never said to its end." }, truncateAfterChunks: 4 },
  { match: { userMessage: "long" }, response: { content: "word ".repeat(1000) }, latency: 1 },
]);
await mock.start();
net.connect(Number(process.argv.at(-1)), "127.0.0.1").end(`${mock.port}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
