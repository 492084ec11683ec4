// The table of clients, and ending one of their connections.

import { ask } from "/api.js";
import { $, el, setClass, setText, table } from "/dom.js";
import { bytes, count, span, visible } from "/words.js";

// So much in a queue is worth a colour.
const LONG_QUEUE_BYTES = 1 << 20;
const LIMITS = [100, 300, 1000];

let limit = 0;
let kicked = null;
const sorting = {
  by: "age",
  order: "descending",
  press(by) {
    const turns = sorting.by === by;
    const first = by === "queued" || by === "age" ? "descending" : "ascending";
    sorting.order = turns ? (sorting.order === "ascending" ? "descending" : "ascending") : first;
    sorting.by = by;
    refresh();
  },
};
let refresh = () => {};

const text = (pick) => (cell, client) => setText(cell, visible(pick(client)));
const COLUMNS = [
  { title: "Address", sort: "address", cell: text((client) => client.address) },
  { title: "Name", sort: "name", className: "long", cell: text((client) => client.name ?? "") },
  { title: "Speaks", sort: "protocol", cell: text((client) => speaks(client)) },
  { title: "Topic", sort: "topic", className: "long topic", cell: text((client) => client.topic) },
  {
    title: "Queued", sort: "queued", number: true,
    cell(cell, client) {
      setText(cell, client.queued_bytes ? bytes(client.queued_bytes) : "0");
      setClass(cell, "bad", client.queued_bytes >= LONG_QUEUE_BYTES);
    },
  },
  { title: "Age", sort: "age", number: true, cell: text((client) => span(client.age_seconds, 1)) },
  {
    title: "End the connection", unseen: true, className: "act",
    make(cell, client) {
      const button = el("button", { type: "button", className: "small", onclick: () => askToKick(cell.parentNode.item) }, "Kick");
      button.setAttribute("aria-label", `Kick ${visible(client.name ?? client.address)}`);
      cell.append(button);
    },
  },
];

function speaks({ protocol, role }) {
  const name = { mqtt: "MQTT", http: "HTTP", websocket: "WebSocket" }[protocol] ?? protocol;
  const what = { publisher: " pub", subscriber: " sub" }[role] ?? "";
  return name + what;
}

export function startClients(refreshNow) {
  refresh = refreshNow;
  $("client-text").addEventListener("input", refreshNow);
  $("client-more").addEventListener("click", () => {
    limit = Math.min(limit + 1, LIMITS.length - 1);
    refreshNow();
  });
  $("kick-no").addEventListener("click", () => $("kick").close());
  $("kick-yes").addEventListener("click", kick);
}

export function sortClients(by) {
  Object.assign(sorting, { by, order: "descending" });
}

export async function showClients() {
  const query = new URLSearchParams({ limit: LIMITS[limit] });
  const search = $("client-text").value.trim();
  if (search) query.set("text", search);
  // The server knows all of them in these orders; other columns sort what was given.
  if ((sorting.by === "queued" || sorting.by === "age") && sorting.order === "descending") query.set("sort", sorting.by);
  const page = await ask(`/api/v1/clients?${query}`);
  table($("clients").querySelector("table"), COLUMNS, page.clients.sort(compare), ({ id }) => id, sorting);
  const shown = page.clients.length;
  const part = page.next || search ? `${count(shown)} of ${count(page.total)}` : count(shown);
  setText($("client-count"), page.complete ? part : `${part}, not all of them were looked at`);
  $("client-more").hidden = !page.next || limit === LIMITS.length - 1;
}

function compare(a, b) {
  const value = {
    address: (client) => client.address,
    name: (client) => client.name ?? "",
    protocol: speaks,
    topic: (client) => client.topic,
    queued: (client) => client.queued_bytes,
    age: (client) => client.age_seconds,
  }[sorting.by];
  const [left, right] = [value(a), value(b)];
  const order = left < right ? -1 : left > right ? 1 : a.id < b.id ? -1 : 1;
  return sorting.order === "ascending" ? order : -order;
}

function askToKick(client) {
  kicked = client;
  const name = client.name ? `${visible(client.name)}, ` : "";
  setText($("kick-who"), `${name}${client.address}, ${speaks(client)} ${visible(client.topic)}`);
  setText($("kick-answer"), "");
  $("kick-yes").disabled = false;
  $("kick").showModal();
  // The harmless answer is the one that a stray Enter gives.
  $("kick-no").focus();
}

async function kick() {
  $("kick-yes").disabled = true;
  try {
    await ask(`/api/v1/clients/${encodeURIComponent(kicked.id)}`, { method: "DELETE" });
    $("kick").close();
    refresh();
  } catch (refusal) {
    const nobody = refusal.status === 404 ? "It has gone already." : `Not done: ${refusal.message}`;
    setText($("kick-answer"), nobody);
    $("kick-yes").disabled = false;
  }
}
