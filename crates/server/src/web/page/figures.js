// The tiles with live figures, and what of them needs attention.

import { Chart } from "/chart.js";
import { $, el, keyed, setClass, setText } from "/dom.js";
import { bytes, clock, count, plural, rate, span, visible } from "/words.js";

// How long a loss is told of.
const RECENT_SECONDS = 60;
const SECONDS_MIN = 0.5;

const TILES = [
  { id: "messages", title: "Messages per second", names: ["in", "out"], lines: ["--in", "--out"] },
  { id: "bytes", title: "Bytes per second", names: ["in", "out"], lines: ["--in", "--out"] },
  { id: "queue", title: "Longest queue", names: [""], lines: ["--wait"] },
  { id: "connections", title: "Connections", names: [""], lines: ["--in"] },
  { id: "memory", title: "Memory of the budget", names: [""], lines: ["--out"] },
  { id: "lost", title: "Lost per second", names: [""], lines: ["--lost"] },
];

const tiles = {};
let before = null;
// Samples of counters over the last minute.
let recent = [];
let lately = { lostLately: 0, pausesLately: 0 };

export function startFigures() {
  for (const { id, title, names, lines } of TILES) {
    const numbers = names.map((name, index) => {
      const value = el("b", {}, "–");
      const part = el("span", { className: "value" }, value);
      if (name) {
        const key = el("span", { className: "key" }, name);
        key.style.color = `var(${lines[index]})`;
        part.append(" ", key);
      }
      return { part, value };
    });
    const canvas = el("canvas", { role: "img" });
    const note = el("p", { className: "quiet note" });
    const values = el("p", { className: "values" }, ...numbers.map(({ part }) => part));
    const node = el("div", { className: "tile", id: `tile-${id}` }, el("h3", {}, title), values, canvas, note);
    $("figures").append(node);
    tiles[id] = { node, title, canvas, note, numbers: numbers.map(({ value }) => value), chart: new Chart(canvas, lines) };
  }
}

function show(id, values, words, note, mood = "") {
  const tile = tiles[id];
  tile.chart.add(values);
  words.forEach((word, index) => setText(tile.numbers[index], word));
  tile.canvas.setAttribute("aria-label", `${tile.title}: ${words.join(", ")}`);
  setText(tile.note, note);
  setClass(tile.node, "bad", mood === "bad");
  setClass(tile.node, "warn", mood === "warn");
}

// The client for which most is queued, if anybody may know that.
export function showLongestQueue(client) {
  const size = client?.queued_bytes ?? 0;
  const note = size ? visible(client.name ?? client.address) : "nobody waits";
  show("queue", client === null ? null : [size], [client === null ? "–" : bytes(size)], client === null ? "" : note);
}

export function showStatus(status) {
  const { messages, bytes: sizes, connections, memory } = status;
  // Two answers at nearly the same time tell no rate.
  const isTooSoon = before?.started_at === status.started_at && status.uptime_seconds - before.uptime_seconds < SECONDS_MIN;
  if (isTooSoon) return lately;
  const isNext = before?.started_at === status.started_at && status.uptime_seconds > before.uptime_seconds;
  const seconds = isNext ? status.uptime_seconds - before.uptime_seconds : 0;
  if (!isNext) recent = [];
  const perSecond = (pick) => (isNext ? Math.max(0, pick(status) - pick(before)) / seconds : null);
  const rates = [(s) => s.messages.accepted_total, (s) => s.messages.delivered_total].map(perSecond);
  const flows = [(s) => s.bytes.received_total, (s) => s.bytes.sent_total].map(perSecond);
  const lostRate = perSecond((s) => s.messages.lost_total);
  before = status;
  recent.push({ at: status.uptime_seconds, lost: messages.lost_total, pauses: status.pauses_total });
  while (recent[0].at < status.uptime_seconds - RECENT_SECONDS) recent.shift();

  const known = (values) => (isNext ? values : null);
  const words = (values, word) => values.map((value) => (isNext ? word(value) : "–"));
  show("messages", known(rates), words(rates, rate), `${count(messages.accepted_total)} in, ${count(messages.delivered_total)} out`);
  show("bytes", known(flows), words(flows, bytes), `${bytes(sizes.received_total)} in, ${bytes(sizes.sent_total)} out`);
  show("connections", [connections.total], [count(connections.total)], byProtocol(connections));
  const share = memory.used_bytes / memory.max_bytes;
  const mood = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  show("memory", [memory.used_bytes], [percent(share)], `${bytes(memory.used_bytes)} of ${bytes(memory.max_bytes)}`, mood);
  const paused = status.pauses_total ? `, ${plural(status.pauses_total, "pause", "pauses")}` : "";
  const lostLately = messages.lost_total - recent[0].lost;
  show("lost", known([lostRate]), words([lostRate], rate), `${count(messages.lost_total)} in all${paused}`, lostLately ? "bad" : "");
  lately = { lostLately, pausesLately: status.pauses_total - recent[0].pauses };
  return lately;
}

const percent = (share) => (share > 0 && share < 0.01 ? "<1 %" : `${Math.round(share * 100)} %`);

// Nothing is known: the lines break, the last numbers stay and are told to be old.
export function showSilence() {
  for (const tile of Object.values(tiles)) tile.chart.add(null);
}

const PROTOCOLS = { mqtt: "MQTT", http: "HTTP", websocket: "WebSocket", unknown: "new" };

function byProtocol(connections) {
  const all = Object.entries(connections.by_protocol).filter(([, number]) => number > 0);
  return all.map(([name, number]) => `${count(number)} ${PROTOCOLS[name] ?? name}`).join(", ") || "none";
}

// What an operator should see first, worst first: { key, mood, text, button }.
export function concerns(status, { lostLately, pausesLately }) {
  const found = [];
  const add = (key, mood, text, button) => found.push({ key, mood, text, button });
  if (status.state === "draining") add("draining", "bad", "The server is ending: it delivers what is queued and takes no more.");
  for (const shard of status.shards.silent) add(`silent-${shard}`, "bad", `Shard ${shard} does not answer.`);
  const { used_bytes: used, max_bytes: most } = status.memory;
  if (used >= most) add("memory", "bad", `Memory is over its budget of ${bytes(most)}: publishers wait.`);
  else if (used >= 0.8 * most) add("memory", "warn", `Memory: ${bytes(used)} of ${bytes(most)} are used; over it, publishers wait.`);
  if (lostLately) {
    const text = `${plural(lostLately, "message was", "messages were")} lost within a minute: somebody reads too slowly.`;
    add("lost", "bad", text, { text: "Longest queues", tab: "clients", sort: "queued" });
  } else if (pausesLately) {
    const text = `Publishers were made to wait ${plural(pausesLately, "time", "times")} within a minute: queues are long.`;
    add("pauses", "warn", text, { text: "Longest queues", tab: "clients", sort: "queued" });
  }
  if (status.connections.total >= status.connections_max) {
    add("full", "bad", `All ${count(status.connections_max)} connections are taken: nobody else gets in.`);
  }
  return found;
}

// All notices of the page: those above and those of the connection. Read out when one comes, and not
// whenever a number in it changes.
export function showNotices(list, onButton) {
  keyed($("notices"), list, ({ key }) => key, ({ key, text }) => {
    setText($("announcer"), text);
    const node = el("li", { className: "notice" }, el("span"));
    node.append(el("button", { type: "button", onclick: () => onButton(key) }));
    return node;
  }, (node, { mood, text, button }) => {
    node.className = `notice ${mood}`;
    setText(node.firstChild, text);
    node.lastChild.hidden = !button;
    if (button) setText(node.lastChild, button.text);
  });
}

export function showHead(status) {
  setText($("version"), status.version);
  const began = clock(new Date(status.started_at));
  setText($("glance"), `up ${span(status.uptime_seconds)}, since ${began} · ${plural(status.shards.count, "shard", "shards")} · ${status.listeners.join(" ")}`);
}
