// Rows of messages, and the list of those that were heard.

import { $, el, setText } from "/dom.js";
import { shown } from "/payload.js";
import { clock, count, plural, visible } from "/words.js";

// Rows in the document; the older ones go.
const ROWS_MAX = 500;

export function messageRow(message) {
  const date = new Date(message.time);
  const { text, kind, note } = shown(message);
  const row = el("li", { className: "message" });
  const time = el("time", { dateTime: message.time, title: message.time }, clock(date, true));
  const head = el("div", { className: "head" }, time, el("bdi", { className: "topic" }, visible(message.topic)));
  const from = [message.name, message.publisher].filter(Boolean).map(visible).join(" · ");
  head.append(el("bdi", { className: "from", title: "Publisher" }, from));
  row.append(head);
  if (text) row.append(el("pre", { className: `payload ${kind}` }, text));
  if (note) row.append(el("p", { className: "quiet" }, note));
  return row;
}

const REASONS = {
  slow: "this page read too slowly",
  evicted: "they are not kept any more",
  restarted: "the server restarted; all that it keeps follows",
  unknown: "the server does not know where this page stood",
};

function gapRow(reason, lost) {
  const what = lost === null || lost === undefined
    ? "Something may be missing here"
    : `${plural(lost, "message is", "messages are")} missing here`;
  return el("li", { className: "gap" }, `${what}: ${REASONS[reason] ?? visible(String(reason))}`);
}

// What was heard, newest first. `drawn` is called when the page may be given more.
export class MessageList {
  constructor(drawn) {
    this.list = $("messages");
    this.drawn = drawn;
    this.isPaused = false;
    this.owesAnswer = false;
    this.counts = { received: 0, skipped: 0, lost: 0 };
  }

  take(batch) {
    requestAnimationFrame(() => {
      const added = [];
      if (batch.lost) added.push(gapRow("slow", batch.lost));
      if (batch.skipped) {
        const text = `${plural(batch.skipped, "message", "messages")} came too fast to be shown here`;
        added.push(el("li", { className: "skipped" }, text));
      }
      for (const row of batch.rows) {
        added.push(row.gap === undefined ? messageRow(row) : gapRow(row.gap, row.lost));
      }
      this.list.prepend(...added.reverse());
      while (this.list.childElementCount > ROWS_MAX) this.list.lastElementChild.remove();
      this.tellCounts(batch.counts);
      if (this.isPaused) this.owesAnswer = true;
      else this.drawn();
    });
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    if (!isPaused && this.owesAnswer) {
      this.owesAnswer = false;
      this.drawn();
    }
    this.tellCounts(this.counts);
  }

  clear() {
    this.list.replaceChildren();
  }

  tellCounts(counts) {
    this.counts = counts;
    const { received, skipped, lost } = counts;
    $("first-steps").hidden = received > 0 || lost > 0 || this.list.childElementCount > 0;
    if (!received && !lost) return setText($("counts"), "Nothing heard yet");
    const parts = [`${count(received)} heard`];
    if (skipped) parts.push(`${count(skipped)} not shown`);
    if (lost) parts.push(`${count(lost)} lost`);
    if (this.isPaused) parts.push("paused");
    setText($("counts"), parts.join(" · "));
    $("counts").classList.toggle("bad", lost > 0);
  }
}
