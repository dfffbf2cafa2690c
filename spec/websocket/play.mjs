// SPDX-License-Identifier: MIT
//
// Plays one case to one client and judges it.  The client echoes each message, and tells at the end what it
// has seen.  What it ought to see is worked out from the bytes that are sent (Reader), not by the case.
//
// A case is { group, name, steps, want } and perhaps
//   options    of the client: { deflate, limit, close_timeout, ping_interval, ping_timeout }
//   answer     what is other in the answer to the handshake (answerOf)
//   tail       frames that go out in one write with the answer to the handshake
//   acts       { "after how many messages": [ act, ... ] }: what the client does beside echoing
//   sends      with acts: the messages that have to come instead of the echoes: [ [kind, text], ... ]
//   closed     { code, reason }: what the client's close frame says, where it is not the answer to ours;
//              without reason: either may be told
//   ending     what the client says of its end, where want does not tell
//   pings      that the client has to send: a list of payloads, null for any
//   linger     ms from the client's close frame to our FIN, during which the client has to wait
//   silent     true: after its close frame the connection is left open; the client has to leave by itself
//   needs      what not every good client has: "early" (to fail before the message is whole), "minimal" (to check
//              that a length is minimal), "patience" (to wait for the server to end the connection), "flood" (to bear
//              a thousand pings at once), "care" (with details of the handshake)
//
// want is "closed", "cut", "refused" (the handshake), "timeout", or the code that the client fails with.
// A step is bytes, { bytewise: bytes }, { pieces: size, bytes }, a function of the compressor that gives
// bytes, or a word: "settle" (all is echoed, the last ping is answered), "closing" (the client has begun
// to close), "fin", "reset".

import { Reader } from "./frames.mjs";
import { answerOf, compressionOf, problemsOf } from "./handshake.mjs";

export class Player {
  problems = [];
  keys = [];
  isOver = false;
  #case;
  #settings;
  #socket;
  #reader; // of what the client sends
  #oracle; // of what we send
  #compressor;
  #messages = []; // ours
  #pings = [];
  #answered = 0; // how many of them, the last that was answered included
  #echoes = []; // the client's messages
  #clientPings = [];
  #clientClose = null;
  #isEnded = false; // the client's FIN, or its RST
  #isDestroyed = false; // by us
  #hasGivenUp = false;
  #waiting = null;

  // settings: patience, the ms without a word from a client that has to say something.
  constructor(its, request, socket, settings) {
    this.#case = its;
    this.#socket = socket;
    this.#settings = settings;
    this.problems.push(...problemsOf(request, its.options?.deflate));
    const compression = compressionOf(its.answer?.headers?.["Sec-WebSocket-Extensions"]);
    this.#compressor = compression.ours;
    this.#reader = new Reader({ isFromClient: true, deflate: compression.theirs });
    this.#oracle = new Reader({ limit: its.options?.limit, deflate: compression.expected });
    this.request = request;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#hear(chunk));
    for (const name of ["end", "close", "error"]) {
      socket.on(name, () => {
        this.#isEnded = true;
        this.#waiting?.();
      });
    }
  }

  async play(head) {
    if (head.length > 0) this.#problem("it sent data before the handshake was over");
    try {
      const answer = answerOf(this.request, this.#case.answer);
      if (this.#case.tail) await this.#send(this.#case.tail, 0, answer);
      else await this.#write(answer, this.#case.answer?.pieces);
      for (const step of this.#case.steps) await this.#step(step);
      await this.#end();
    } catch (error) {
      this.#problem(`the server failed: ${error.stack}`);
    }
    this.#isDestroyed = true;
    this.#socket.destroy();
    this.keys = this.#reader.keys;
    this.isOver = true;
  }

  #problem(text) {
    if (!this.problems.includes(text)) this.problems.push(text);
  }

  // There is nothing to be waited for any more.
  #giveUp(text) {
    this.#problem(text);
    this.#hasGivenUp = true;
  }

  // Until the condition holds; false if the client left or said nothing for too long.
  async #until(what, condition) {
    const deadline = Date.now() + this.#settings.patience;
    while (!condition()) {
      if (this.#isEnded || this.#hasGivenUp) return false;
      const left = deadline - Date.now();
      if (left <= 0) {
        this.#giveUp(`it did not ${what} in time`);
        return false;
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  // ---- the client's side

  #hear(chunk) {
    for (const event of this.#reader.feed(chunk)) this.#note(event);
    if (this.#reader.failure) this.#giveUp(`what it sent is wrong: ${this.#reader.failure.why}`);
    if (this.#reader.trailing > 0) this.#problem("it sent something after its close frame");
    this.#waiting?.();
  }

  #note(event) {
    if (event.kind === "close") this.#clientClose = event;
    else if (event.kind === "ping") this.#clientPings.push(event.data.toString());
    else if (event.kind === "pong") this.#notePong(event.data);
    else this.#echoes.push(event);
  }

  #notePong(data) {
    for (let at = this.#answered; at < this.#pings.length; at++) {
      if (this.#pings[at].equals(data)) {
        this.#answered = at + 1;
        return;
      }
    }
    this.#giveUp(`a pong that answers nothing: '${data.toString("hex")}'`);
  }

  // ---- ours

  #write(bytes, pieces) {
    const send = (piece) => new Promise((resolve) => {
      if (this.#socket.destroyed || !this.#socket.writable) resolve();
      else this.#socket.write(piece, () => resolve());
    });
    if (!pieces) return send(bytes);
    return (async () => {
      for (let at = 0; at < bytes.length && !this.#isEnded; at += pieces) await send(bytes.subarray(at, at + pieces));
    })();
  }

  // before: bytes that go out in the same write, and are no frames.
  async #send(bytes, pieces, before) {
    for (const event of this.#oracle.feed(bytes)) {
      if (event.kind === "ping") this.#pings.push(event.data);
      else if (event.kind !== "pong" && event.kind !== "close") this.#messages.push(event);
      else if (event.kind === "close") this.close = event;
    }
    await this.#write(before ? Buffer.concat([before, bytes]) : bytes, pieces);
  }

  #wanted() {
    return this.#case.sends ?? this.#messages.map((message) => [message.kind, message.data]);
  }

  async #step(step) {
    if (typeof step === "function") return this.#send(step(this.#compressor));
    if (Buffer.isBuffer(step)) return this.#send(step);
    if (step.bytewise) return this.#send(step.bytewise, 1);
    if (step.pieces) return this.#send(step.bytes, step.pieces);
    if (step === "settle") return this.#settle();
    if (step === "closing") return this.#until("close", () => this.#clientClose);
    if (step === "pinged") return this.#until("ping", () => this.#clientPings.length >= [].concat(this.#case.pings).length);
    if (step === "fin") return this.#socket.end();
    if (step === "reset") {
      this.#isDestroyed = true;
      return (this.#socket._parent ?? this.#socket).resetAndDestroy(); // over TLS: the socket below
    }
    throw new Error(`no such step: ${step}`);
  }

  async #settle() {
    const count = this.#wanted().length;
    await this.#until("echo all", () => this.#echoes.length >= count);
    await this.#until("answer the last ping", () => this.#answered === this.#pings.length);
    if (this.#echoes.length < count) this.#problem(`it left after ${this.#echoes.length} of ${count} messages`);
    if (this.#answered < this.#pings.length) this.#problem("it left without answering the last ping");
  }

  async #end() {
    const { want, linger } = this.#case;
    const isClosed = want === "closed";
    if (isClosed || typeof want === "number") {
      await this.#until("send a close frame", () => this.#clientClose);
      if (!this.#clientClose) this.#problem("it sent no close frame");
    }
    if (isClosed && linger) await this.#linger(linger);
    if (this.#clientClose && !this.#case.silent) this.#socket.end();
    if (!this.#isDestroyed) {
      await this.#until("end the connection", () => this.#isEnded);
      this.#socket.end();
    }
    this.#checkEchoes();
    this.#checkClose();
    this.#checkPings();
  }

  // RFC 6455, 7.1.1: the server closes the TCP connection first.
  async #linger(ms) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (this.#isEnded) this.#problem("it ended the connection before the server did");
  }

  #checkEchoes() {
    const wanted = this.#wanted();
    if (this.#echoes.length > wanted.length) this.#problem(`it sent ${this.#echoes.length} messages, not ${wanted.length}`);
    for (let at = 0; at < Math.min(wanted.length, this.#echoes.length); at++) {
      const [kind, data] = wanted[at];
      const echo = this.#echoes[at];
      if (echo.kind !== kind) this.#problem(`message ${at + 1} came back as ${echo.kind}`);
      if (!echo.data.equals(Buffer.from(data))) this.#problem(`message ${at + 1} came back otherwise`);
    }
  }

  #checkClose() {
    const { want } = this.#case;
    const code = this.#clientClose?.code;
    const wanted = this.#case.closed?.code ?? this.close?.code ?? want;
    if (typeof wanted === "number" && code !== undefined && code !== wanted) this.#problem(`its close frame says ${code}, not ${wanted}`);
    if ((want === "cut" || want === "refused") && code !== undefined) this.#problem("it sent a close frame to nobody");
    // The case says what it is about; that the bytes are so is checked.
    const oracle = this.#oracle.failure?.code ?? (this.#oracle.isClosed ? "closed" : undefined);
    if (oracle !== undefined && oracle !== want) throw new Error(`the case wants ${want}, its bytes ${oracle}`);
    if (typeof want === "number" && oracle === undefined) throw new Error("the bytes of this case are fine");
  }

  #checkPings() {
    const wanted = [].concat(this.#case.pings ?? []);
    for (let at = 0; at < wanted.length; at++) {
      if (this.#clientPings[at] === undefined) this.#problem("it did not ping");
      else if (wanted[at] !== null && this.#clientPings[at] !== wanted[at]) this.#problem(`its ping ${at + 1} is '${this.#clientPings[at]}'`);
    }
    if (this.#clientPings.length > wanted.length) this.#problem("it sent pings that nobody asked for");
  }

  // report: what the client says: { messages: "tb" (their kinds), ending, code, reason }.
  judge(report) {
    const { want } = this.#case;
    if (!this.isOver) this.#problem("the connection is still open");
    const kinds = this.#messages.map((message) => message.kind[0]).join("");
    const isUnread = this.#case.acts && report.messages === ""; // who has closed need not read any more
    if (report.messages !== kinds && !isUnread) this.#problem(`it has seen the messages '${report.messages}', not '${kinds}'`);
    const endings = { closed: "closed", cut: "cut", refused: "refused", timeout: "timeout", 1009: "limit" };
    const ending = this.#case.ending ?? endings[want] ?? "protocol";
    if (report.ending !== ending) this.#problem(`it says that it ended so: ${report.ending}, not ${ending}`);
    if (want !== "closed" || report.code === undefined) return;
    const { code, reason } = this.#case.closed ?? this.close;
    if (report.code !== code) this.#problem(`it says that it was closed with ${report.code}, not ${code}`);
    if (reason !== undefined && (report.reason ?? "") !== reason) this.#problem(`it says that the reason was '${report.reason}'`);
  }
}
