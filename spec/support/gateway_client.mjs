// A client of the local gateway that nobody here wrote: the package ws.  Asks each dialect once,
// with pings and a compression that it offers, and prints what it was told as one line of JSON.
//
//   node spec/support/gateway_client.mjs ws://127.0.0.1:N/v1

import WebSocket from "../../build/npm/node_modules/ws/wrapper.mjs";

const base = process.argv[2];

// Opens a path, sends the events, and collects the deltas until `last` comes.
function ask(path, events, delta, last) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(base + path, { perMessageDeflate: true });
    const told = { text: "", kinds: [], pong: null };
    ws.on("error", reject);
    ws.on("pong", (data) => { told.pong = data.toString(); });
    ws.on("open", () => {
      told.extensions = ws.extensions;
      ws.ping("are you there?");
      for (const event of events) ws.send(JSON.stringify(event));
    });
    ws.on("message", (data, isBinary) => {
      const event = JSON.parse(data.toString());
      if (isBinary) reject(new Error("a binary message"));
      if (told.kinds.at(-1) !== event.type) told.kinds.push(event.type);
      if (event.type === delta) told.text += event.delta;
      if (event.type === last) ws.close(1000, "thanks");
    });
    ws.on("close", (code, reason) => resolve({ ...told, code, reason: reason.toString() }));
  });
}

const messages = [{ role: "user", content: "why?" }];
const item = { type: "message", role: "user", content: [{ type: "input_text", text: "why?" }] };

console.log(JSON.stringify({
  chat: await ask("/ws/chat", [{ type: "chat.start", model: "m", messages, api_key: "k" }],
    "content.delta", "chat.done"),
  responses: await ask("/responses", [{ type: "response.create", model: "m", input: "why?" }],
    "response.output_text.delta", "response.completed"),
  realtime: await ask("/realtime?model=m", [
    { type: "session.update", session: { type: "realtime", output_modalities: ["text"] } },
    { type: "conversation.item.create", item },
    { type: "response.create" },
  ], "response.output_text.delta", "response.done"),
}));
