// Shards, memory and settings.

import { ask } from "/api.js";
import { $, el, keyed, setClass, setText, table } from "/dom.js";
import { bytes, count, plural, rate } from "/words.js";

let shardsBefore = new Map();

const perSecond = (pick) => (cell, shard) => {
  const { before, seconds } = shard;
  setText(cell, before ? rate(Math.max(0, pick(shard) - pick(before)) / seconds) : "–");
};
const number = (pick) => (cell, item) => setText(cell, count(pick(item)));

const SHARDS = [
  {
    title: "Shard",
    cell(cell, shard) {
      setText(cell, shard.answers ? String(shard.shard) : `${shard.shard} does not answer`);
      setClass(cell, "bad", !shard.answers);
    },
  },
  {
    title: "Busy",
    make: (cell) => cell.append(el("meter", { min: 0, max: 100, high: 80, optimum: 0 }), el("span", { className: "share" })),
    cell(cell, shard) {
      const { before, seconds } = shard;
      const worked = before ? (shard.turns.seconds_total - before.turns.seconds_total) / seconds : 0;
      const share = Math.min(100, Math.round(worked * 100));
      cell.firstChild.value = share;
      setText(cell.lastChild, before ? `${share} %` : "–");
    },
  },
  { title: "Clients", number: true, cell: number((shard) => shard.connections.total) },
  { title: "Subscr.", number: true, cell: number((shard) => shard.subscriptions) },
  { title: "In/s", number: true, cell: perSecond((shard) => shard.messages.accepted_total) },
  { title: "Out/s", number: true, cell: perSecond((shard) => shard.messages.delivered_total) },
  {
    title: "Lost", number: true,
    cell(cell, shard) {
      setText(cell, count(shard.messages.lost_total));
      setClass(cell, "bad", shard.before && shard.messages.lost_total > shard.before.messages.lost_total);
    },
  },
  { title: "Pauses", number: true, cell: number((shard) => shard.pauses_total) },
  { title: "Mail", number: true, cell: (cell, shard) => setText(cell, bytes(shard.mail_waiting_bytes)) },
  { title: "History", number: true, cell: (cell, shard) => setText(cell, bytes(shard.history_bytes)) },
];

export async function showShards() {
  const { shards } = await ask("/api/v1/shards");
  const now = performance.now();
  const seen = new Map();
  for (const shard of shards) {
    const old = shardsBefore.get(shard.shard);
    const isNext = old && shard.turns.count >= old.shard.turns.count;
    seen.set(shard.shard, { at: now, shard: { ...shard } });
    shard.before = isNext ? old.shard : null;
    shard.seconds = isNext ? (now - old.at) / 1000 : 0;
  }
  shardsBefore = seen;
  table($("shards").querySelector("table"), SHARDS, shards, ({ shard }) => shard);
  const silent = shards.filter(({ answers }) => !answers).length;
  const note = $("shards").querySelector(".note");
  setText(note, silent ? `${plural(silent, "shard does", "shards do")} not answer: their figures are old` : "Threads that serve connections. Busy: share of time at work. Mail: what other shards sent and it has not taken");
}

// What the server calls a use, and what it is.
const USES = {
  messages: "Messages, wherever they wait or are kept",
  topics: "Topics that are kept",
  retained: "Retained messages",
  queues: "Places in queues",
  replays: "History on its way",
  encoded: "Bytes for sockets",
  unfinished: "Messages not yet complete",
  filters: "Filters and routes",
  sessions: "Sessions of MQTT clients",
};

const CLOSED = {
  gone: "Closed by the client, or broken",
  untaken: "Took nothing for too long",
  history_read: "Heard the history that it asked for",
  terminated: "Said terminate",
  refused: "Refused with a line",
  silent: "Said nothing in time",
  too_long: "A message over the limit",
  out_of_memory: "No memory for its message",
  foreign: "A protocol that the port does not speak",
  violation: "Broke a rule of its protocol",
  bad_frame: "A WebSocket frame that is none",
  bad_request: "A request that is none",
  taken_over: "Another connection has its client id",
  kicked: "Kicked by an operator",
  shutdown: "The server ended",
};

export function showMemory(status) {
  const { memory } = status;
  const uses = Object.entries(memory.by_use).map(([use, size]) => ({ use, size, max: memory.max_bytes }));
  uses.sort((a, b) => b.size - a.size);
  const history = `${bytes(memory.history_bytes)} are kept for late subscribers`;
  const note = $("memory").querySelector(".note");
  setText(note, `${bytes(memory.used_bytes)} of ${bytes(memory.max_bytes)} are used; ${history}`);
  keyed($("memory-bar"), uses, ({ use }) => use, ({ use }) => el("i", { className: `use-${use}`, title: USES[use] ?? use }),
    (node, { size, max }) => {
      node.style.width = `${Math.min(100, (size / max) * 100)}%`;
    });
  const columns = [
    { title: "Use", make: (cell, { use }) => cell.append(el("i", { className: `dot use-${use}` }), USES[use] ?? use) },
    { title: "Size", number: true, cell: (cell, { size }) => setText(cell, bytes(size)) },
    { title: "Of the budget", number: true, cell: (cell, { size, max }) => setText(cell, `${((size / max) * 100).toFixed(1)} %`) },
  ];
  table($("memory-uses"), columns, uses, ({ use }) => use);
  const closed = Object.entries(status.closed_total).map(([why, number]) => ({ why, number }));
  const reasons = [
    { title: "Reason", cell: (cell, { why }) => setText(cell, CLOSED[why] ?? why) },
    { title: "Connections", number: true, cell: (cell, { number }) => setText(cell, count(number)) },
  ];
  table($("closed"), reasons, closed.filter(({ number }) => number > 0), ({ why }) => why);
}

const SETTINGS = [
  { title: "Setting", cell: (cell, { key }) => setText(cell, key) },
  { title: "Value", className: "long code", cell: (cell, { value }) => setText(cell, value) },
  {
    title: "From",
    cell(cell, { source, origin }) {
      setText(cell, source === "default" ? "default" : origin);
      setClass(cell, "quiet", source === "default");
    },
  },
];

export async function showSettings() {
  const { file, values } = await ask("/api/v1/config");
  table($("settings").querySelector("table"), SETTINGS, values, ({ key }) => key);
  const own = values.filter(({ source }) => source !== "default").length;
  const from = file ? `File ${file}` : "No file";
  setText($("settings").querySelector(".note"), `${from}; ${count(own)} of ${count(values.length)} are not the default`);
}
