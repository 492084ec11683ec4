// The connection to /ws, in a thread of its own, so that no flood of messages keeps the page from
// answering. The page is handed a few rows at a time, and only when it has drawn those before; what is
// not handed over is counted.

// As many rows as the page keeps.
const ROWS_MAX = 500;
// Rows that the page is given on the average: more than can be read, few enough to be drawn in passing.
const ROWS_PER_SECOND = 400;
const CHARS_PENDING_MAX = 8 << 20;
const EXCERPT_CHARS = 8192;
const TICK_MS = 100;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5000;
// A connection that told of itself and is silent for so long is dead: the server says something oftener.
const SILENCE_MS_MAX = 60000;

const address = new URL("/ws", self.location);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

// WebSocket and what hangs on it; null between two attempts.
let socket = null;
let attempts = 0;
let retryTimer = 0;
let openedAt = 0;
let heardAt = 0;
let keepsAlive = false;

// { filter, last, sub } that the user wants to hear.
let wanted = null;
let subs = 0;
let position = null;
const unanswered = new Set();

let rows = [];
let rowsChars = 0;
// Since the last rows that the page got.
let skipped = 0;
let lost = 0;
const counts = { received: 0, skipped: 0, lost: 0 };
let pageIsReady = false;
let credit = ROWS_MAX;
let creditAt = performance.now();
let tickTimer = 0;

const tell = (message) => self.postMessage(message);

function connect() {
  clearTimeout(retryTimer);
  tell({ is: "link", state: attempts ? "retrying" : "connecting" });
  const mine = (socket = new WebSocket(address));
  openedAt = 0;
  keepsAlive = false;
  mine.onopen = () => {
    openedAt = heardAt = performance.now();
    tell({ is: "link", state: "open" });
    if (wanted) subscribe();
  };
  mine.onmessage = (event) => {
    if (mine === socket) heard(event.data);
  };
  mine.onclose = (event) => {
    if (mine === socket) broken(event.code);
  };
}

function broken(code) {
  if (openedAt && performance.now() - openedAt > 2000) attempts = 0;
  socket = null;
  const why = code === 1009
    ? "it is longer than the server takes"
    : "the connection broke before the answer: it may have been published or not";
  for (const ref of unanswered) tell({ is: "failed", ref, detail: why });
  unanswered.clear();
  const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** attempts) * (0.8 + 0.4 * Math.random());
  attempts += 1;
  tell({ is: "link", state: "waiting", closing: code === 1001 });
  retryTimer = setTimeout(connect, wait);
}

function say(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

function subscribe() {
  const { filter, last, sub } = wanted;
  const message = { op: "subscribe", sub, filters: [filter] };
  if (position) message.after = position;
  else if (last > 0) message.last = last;
  say(message);
}

function heard(text) {
  heardAt = performance.now();
  const message = JSON.parse(text);
  if (message.position) position = message.position;
  if (message.event === undefined) return note(message);
  switch (message.event) {
    case "subscribed":
      if (message.sub === wanted?.sub) tell({ is: "listening", filter: wanted.filter });
      break;
    case "published":
      unanswered.delete(message.ref);
      tell({ is: "published", ref: message.ref });
      break;
    case "gap":
      counts.lost += message.lost ?? 0;
      push({ gap: message.reason, lost: message.lost }, 0);
      break;
    case "keepalive":
      keepsAlive = true;
      break;
    case "error":
      refused(message);
      break;
  }
}

function refused(message) {
  if (message.ref !== undefined) {
    unanswered.delete(message.ref);
    tell({ is: "failed", ref: message.ref, detail: message.detail });
  } else if (message.sub === wanted?.sub) {
    wanted = null;
    tell({ is: "refused", detail: message.detail });
  } else if (message.sub === undefined) {
    tell({ is: "failed", detail: message.detail });
  }
}

function note(message) {
  counts.received += 1;
  const { topic, payload, payload_b64: base64, time, publisher, name } = message;
  const row = { topic, time, publisher, name };
  if (base64 !== undefined) {
    row.bytes = Math.floor((base64.length * 3) / 4) - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0);
    row.payload_b64 = base64.slice(0, EXCERPT_CHARS);
  } else {
    row.chars = payload.length;
    row.payload = payload.slice(0, EXCERPT_CHARS);
  }
  push(row, text(message).length);
}

const text = (message) => message.payload ?? message.payload_b64;

function push(row, chars) {
  row.weight = chars;
  rows.push(row);
  rowsChars += chars;
  // Not one by one: moving all that remains would cost more than the messages.
  if (rows.length >= 2 * ROWS_MAX || rowsChars > CHARS_PENDING_MAX) keepNewest(ROWS_MAX, CHARS_PENDING_MAX / 2);
  if (!tickTimer) tickTimer = setTimeout(tick, TICK_MS);
}

function keepNewest(rowsMax, charsMax) {
  let from = rows.length;
  let chars = 0;
  while (from > 0 && rows.length - from < rowsMax && chars + rows[from - 1].weight <= charsMax) {
    from -= 1;
    chars += rows[from].weight;
  }
  for (const row of rows.splice(0, from)) {
    if (row.gap !== undefined) lost += row.lost ?? 0;
    else {
      skipped += 1;
      counts.skipped += 1;
    }
  }
  rowsChars = chars;
}

function tick() {
  tickTimer = 0;
  const now = performance.now();
  credit = Math.min(ROWS_MAX, credit + ((now - creditAt) * ROWS_PER_SECOND) / 1000);
  creditAt = now;
  if (!pageIsReady || !rows.length) return tell({ is: "counts", counts });
  keepNewest(Math.max(1, Math.floor(credit)), CHARS_PENDING_MAX);
  credit -= rows.length;
  pageIsReady = false;
  tell({ is: "rows", rows, skipped, lost, counts });
  rows = [];
  rowsChars = skipped = lost = 0;
}

const orders = {
  listen({ filter, last }) {
    if (wanted) say({ op: "unsubscribe", sub: wanted.sub });
    position = null;
    wanted = { filter, last, sub: (subs += 1) };
    if (socket?.readyState === WebSocket.OPEN) subscribe();
  },
  stop() {
    if (wanted) say({ op: "unsubscribe", sub: wanted.sub });
    wanted = position = null;
  },
  publish({ ref, topic, payload, retain }) {
    const message = { op: "publish", topic, payload, ref };
    if (retain) message.retain = true;
    if (say(message)) unanswered.add(ref);
    else tell({ is: "failed", ref, detail: "there is no connection: nothing was sent" });
  },
  ready() {
    pageIsReady = true;
    if (rows.length && !tickTimer) tickTimer = setTimeout(tick, TICK_MS);
  },
  forget() {
    rows = [];
    rowsChars = skipped = lost = 0;
    Object.assign(counts, { received: 0, skipped: 0, lost: 0 });
    tell({ is: "counts", counts });
  },
  retry() {
    if (!socket) connect();
  },
};

self.onmessage = ({ data }) => orders[data.do](data);
self.addEventListener("online", orders.retry);

setInterval(() => {
  if (!socket || !keepsAlive || performance.now() - heardAt < SILENCE_MS_MAX) return;
  // What is left of it is not waited for: closing a dead connection takes minutes.
  const dead = socket;
  dead.onclose = null;
  dead.close();
  broken(1006);
}, 5000);

connect();
