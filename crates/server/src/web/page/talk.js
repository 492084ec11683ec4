// Publishing and hearing: the forms, and what the worker behind them tells.

import { startOver } from "/again.js";
import { $, el, setText } from "/dom.js";
import { MessageList } from "/messages.js";
import { clock, visible } from "/words.js";

const worker = new Worker("/link.js");
const list = new MessageList(() => worker.postMessage({ do: "ready" }));
let refs = 0;
const sent = new Map();
// Whether the user, or this page for want of a user's word, wants to hear.
let listensTo = null;
let wasOpen = false;
let lostAt = null;

const memory = {
  // Storage may be forbidden; the page does without.
  get() {
    try {
      return JSON.parse(sessionStorage.getItem("talk")) ?? {};
    } catch {
      return {};
    }
  },
  set(changes) {
    try {
      sessionStorage.setItem("talk", JSON.stringify({ ...this.get(), ...changes }));
    } catch {
      // See above.
    }
  },
};

export function listen(filter, last = 0) {
  $("filter").value = filter;
  listensTo = filter;
  memory.set({ filter, last, listens: true });
  worker.postMessage({ do: "listen", filter, last });
  showListening(`Asking for ${visible(filter)}`);
}

function stop() {
  listensTo = null;
  memory.set({ listens: false });
  worker.postMessage({ do: "stop" });
  showListening("Not listening");
}

function showListening(text) {
  $("stop").hidden = listensTo === null;
  setText($("hear"), listensTo === null ? "Listen" : "Change");
  setText($("listening"), text);
}

// Hears at once what there is, unless that is so much that it should be asked for.
export function listenAtFirst(messagesPerSecond) {
  const { filter, last, listens } = memory.get();
  if (filter) $("filter").value = filter;
  if (last !== undefined) $("last").value = last;
  if (listensTo !== null || listens === false) return;
  if (!listens && messagesPerSecond > 50) {
    setText($("counts"), "Much is published here: choose what to hear");
    return;
  }
  listen($("filter").value, Number($("last").value));
}

function published(text, isBad) {
  setText($("published"), text);
  $("published").classList.toggle("bad", isBad);
}

const told = {
  link({ state, closing }) {
    const pill = $("link");
    pill.dataset.state = state;
    $("retry").hidden = state === "open" || state === "connecting";
    if (state === "open") {
      const comesBack = wasOpen && lostAt;
      setText($("link-text"), comesBack ? `Connected again since ${clock(new Date())}` : "Connected");
      wasOpen = true;
      lostAt = null;
    } else if (state === "connecting") {
      setText($("link-text"), "Connecting…");
    } else if (state === "waiting") {
      lostAt ??= new Date();
      const why = closing ? "The server ended" : wasOpen ? "Connection lost" : "No connection";
      setText($("link-text"), `${why} at ${clock(lostAt)}, trying again`);
    }
    $("send").disabled = state !== "open";
    document.dispatchEvent(new CustomEvent("link", { detail: state }));
  },
  listening({ filter }) {
    showListening(`Listening to ${visible(filter)}`);
  },
  refused({ detail }) {
    listensTo = null;
    memory.set({ listens: false });
    showListening(`Not listening: ${detail}`);
    setText($("counts"), `Not listening: ${visible(detail)}`);
    $("counts").classList.add("bad");
  },
  published({ ref }) {
    const topic = sent.get(ref);
    sent.delete(ref);
    published(`Published to ${visible(topic)} at ${clock(new Date())}`, false);
  },
  failed({ ref, detail }) {
    sent.delete(ref);
    published(`Not published: ${visible(detail)}`, true);
  },
  rows(batch) {
    list.take(batch);
  },
  counts({ counts }) {
    list.tellCounts(counts);
  },
};

export function startTalk() {
  worker.onmessage = ({ data }) => {
    worker.onerror = null;
    told[data.is](data);
  };
  // It did not load.
  worker.onerror = startOver;
  worker.postMessage({ do: "ready" });
  $("publish").addEventListener("submit", (event) => {
    event.preventDefault();
    const [topic, payload, retain] = [$("topic").value, $("text").value, $("retain").checked];
    sent.set((refs += 1), topic);
    worker.postMessage({ do: "publish", ref: refs, topic, payload, retain });
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("publish").requestSubmit();
  });
  $("listen").addEventListener("submit", (event) => {
    event.preventDefault();
    listen($("filter").value, Number($("last").value));
  });
  $("stop").addEventListener("click", () => {
    stop();
    $("hear").focus();
  });
  $("retry").addEventListener("click", () => worker.postMessage({ do: "retry" }));
  $("pause").addEventListener("click", () => {
    const isPaused = !list.isPaused;
    list.pause(isPaused);
    $("pause").setAttribute("aria-pressed", isPaused);
  });
  $("clear").addEventListener("click", () => {
    list.clear();
    worker.postMessage({ do: "forget" });
  });
  // Back from another tab: no need to wait for the next attempt.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) worker.postMessage({ do: "retry" });
  });
  const port = location.port || (location.protocol === "https:" ? "443" : "80");
  setText($("example-curl"), `curl -d 'Hi' ${location.origin}/t/hello`);
  setText($("example-nc"), `printf 'PUBLISHER hello\\nHi\\n' | nc ${location.hostname} ${port}`);
  suggest("filter-names", ["#", "$SYS/#"]);
}

// What the fields propose.
export function suggest(id, names) {
  const list = $(id);
  if (list.childElementCount === names.length && [...list.children].every((o, i) => o.value === names[i])) return;
  list.replaceChildren(...names.map((value) => el("option", { value })));
}
