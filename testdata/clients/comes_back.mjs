// A subscriber that comes back and misses nothing: the recipe of docs/protocol/text.md.
//
// Usage: node comes_back.mjs HOST PORT FILTER
//
// It prints the payload of each message once, and what was lost for good on stderr.

import net from "node:net";
import readline from "node:readline";

// Of several publishers' messages, one with an earlier time may come after one with a later time.
const SLACK_MS = 1000;

const [host, port, topics] = process.argv.slice(2);
const ids = new Map(); // when each message that may come again was accepted
let latest; // the latest time heard of, in ms
let began; // when the first connection ended
let pause = 100;

function isNew(message) {
  if (ids.has(message.id)) return false;
  const at = Date.parse(message.time);
  ids.set(message.id, at);
  if (latest === undefined || at > latest) {
    latest = at;
    for (const [id, at] of ids) if (at < latest - 2 * SLACK_MS) ids.delete(id);
  }
  return true;
}

function since() {
  if (latest !== undefined) return ` since=${new Date(latest - SLACK_MS).toISOString()}`;
  if (began !== undefined) return ` since=${Math.ceil((performance.now() - began) / 1000)}`;
  return "";
}

function listen() {
  const connection = net.connect(Number(port), host);
  connection.on("connect", () => connection.write(`sub ${topics} format=json${since()}\n`));
  connection.on("error", () => {}); // it closes as well
  connection.on("close", () => {
    began ??= performance.now();
    setTimeout(listen, pause * (0.5 + Math.random() / 2));
    pause = Math.min(2 * pause, 5000);
  });
  readline.createInterface({ input: connection }).on("line", (line) => {
    if (line === "terminate") return;
    const message = JSON.parse(line);
    if (message.gap !== undefined) {
      console.error(`${message.gap} messages are lost`);
    } else if (isNew(message)) {
      pause = 100;
      console.log(message.payload ?? message.payload_b64);
    }
  });
}

listen();
