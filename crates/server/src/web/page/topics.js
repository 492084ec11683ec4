// The table of topics, and what is kept of one.

import { ask, askLines } from "/api.js";
import { $, el, setText, table } from "/dom.js";
import { messageRow } from "/messages.js";
import { listen, suggest } from "/talk.js";
import { bytes, clock, count, plural, rate, visible } from "/words.js";

const LIMITS = [100, 300, 1000];
const HISTORY_ROWS = 50;
const EXCERPT_CHARS = 80;

let limit = 0;
let shownTopic = "";
// By name: when it was looked at and how many messages it had had.
let before = new Map();

const COLUMNS = [
  {
    title: "Topic", className: "long",
    make(cell, { name }) {
      cell.append(el("button", { type: "button", className: "link", onclick: () => showHistory(name) }, visible(name)));
    },
  },
  { title: "Per second", number: true, cell: (cell, { perSecond }) => setText(cell, perSecond === null ? "–" : rate(perSecond)) },
  { title: "Last", cell: (cell, { last }) => setText(cell, clock(new Date(last.time))) },
  { title: "Message", className: "long excerpt", cell: (cell, { last }) => setText(cell, excerpt(last.payload)) },
  { title: "Kept", number: true, cell: (cell, topic) => setText(cell, count(topic.messages_kept)) },
  { title: "Size", number: true, wide: true, cell: (cell, topic) => setText(cell, bytes(topic.bytes)) },
];

function excerpt(payload) {
  if (payload.text === undefined) return `(${bytes(payload.bytes)})`;
  const text = visible(payload.text.slice(0, EXCERPT_CHARS));
  return payload.truncated || payload.text.length > EXCERPT_CHARS ? `${text}…` : text;
}

export function startTopics(refresh) {
  $("topic-prefix").addEventListener("input", refresh);
  $("topic-more").addEventListener("click", () => {
    limit = Math.min(limit + 1, LIMITS.length - 1);
    refresh();
  });
  $("history-close").addEventListener("click", () => $("history").close());
  $("history-hear").addEventListener("click", () => {
    $("history").close();
    listen(shownTopic);
  });
}

export async function showTopics() {
  const query = new URLSearchParams({ limit: LIMITS[limit] });
  const prefix = $("topic-prefix").value;
  if (prefix) query.set("prefix", prefix);
  const page = await ask(`/api/v1/topics?${query}`);
  const now = performance.now();
  const seen = new Map();
  for (const topic of page.topics) {
    seen.set(topic.name, { at: now, total: topic.messages_total });
    const old = before.get(topic.name);
    const grows = old && topic.messages_total >= old.total;
    topic.perSecond = grows ? ((topic.messages_total - old.total) * 1000) / (now - old.at) : null;
  }
  before = seen;
  table($("topics").querySelector("table"), COLUMNS, page.topics, ({ name }) => name);
  const shown = plural(page.topics.length, "topic", "topics");
  setText($("topic-count"), page.next ? `the first ${shown}` : shown);
  $("topic-more").hidden = !page.next || limit === LIMITS.length - 1;
  const names = page.topics.slice(0, 100).map(({ name }) => name);
  suggest("topic-names", names);
  suggest("filter-names", ["#", "$SYS/#", ...names]);
}

async function showHistory(name) {
  shownTopic = name;
  setText($("history-title"), visible(name));
  setText($("history-note"), "Asking…");
  $("history-list").replaceChildren();
  $("history").showModal();
  $("history-close").focus();
  try {
    const path = name.split("/").map(encodeURIComponent).join("/");
    const lines = await askLines(`/t/${path}?format=ndjson&poll=1&last=${HISTORY_ROWS}`);
    if (shownTopic !== name) return;
    const messages = lines.filter(({ event }) => event === undefined).reverse();
    $("history-list").replaceChildren(...messages.map((message) => messageRow(cut(message))));
    setText($("history-note"), messages.length ? `The last ${count(messages.length)} that are kept` : "Nothing is kept of it");
  } catch (refusal) {
    setText($("history-note"), `Not shown: ${refusal.message}`);
  }
}

const PAYLOAD_CHARS = 8192;

function cut(message) {
  const { payload, payload_b64: base64 } = message;
  if (base64 === undefined) return { ...message, chars: payload.length, payload: payload.slice(0, PAYLOAD_CHARS) };
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return { ...message, bytes: (base64.length * 3) / 4 - padding, payload_b64: base64.slice(0, PAYLOAD_CHARS) };
}
