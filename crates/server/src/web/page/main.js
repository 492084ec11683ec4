// The live page: asks for figures as long as somebody looks, and puts the parts together.

import { checkParts } from "/again.js";
import { ask, everySoOften } from "/api.js";
import { showClients, sortClients, startClients } from "/clients.js";
import { $, setClass } from "/dom.js";
import { concerns, showHead, showLongestQueue, showNotices, showSilence, showStatus, startFigures } from "/figures.js";
import { showMemory, showSettings, showShards } from "/inside.js";
import { listenAtFirst, startTalk } from "/talk.js";
import { showTopics, startTopics } from "/topics.js";
import { clock } from "/words.js";

const STATUS_MS = 1000;
const TABLE_MS = 2000;

// The last status that came, and when.
let status = null;
let statusAt = null;
let lately = null;
let isFirst = true;
// Notices that stay until they are put away, by key.
const standing = new Map();
// The notice of a question that is not answered, by what was asked for.
const refusals = new Map();

async function lookAtStatus() {
  try {
    const now = await ask("/api/v1/status");
    refusals.delete("status");
    if (status) compareLives(status, now);
    status = now;
    statusAt = new Date();
    lately = showStatus(status);
    showHead(status);
    if (openTab() === "memory") showMemory(status);
  } catch (refusal) {
    refuse("status", refusal);
    showSilence();
  }
  if (isFirst) listenAtFirst(status?.rates.accepted ?? 0);
  isFirst = false;
  setClass(document.body, "stale", refusals.has("status"));
  notice();
}

async function lookAtQueues() {
  try {
    const { clients } = await ask("/api/v1/clients?sort=queued&limit=1");
    showLongestQueue(clients[0]);
  } catch {
    // The status says why.
    showLongestQueue(null);
  }
}

function compareLives(before, now) {
  if (before.started_at === now.started_at) return;
  const text = `The server restarted at ${clock(new Date(now.started_at))}. Figures begin again.`;
  standing.set("restarted", { key: "restarted", mood: "warn", text, button: { text: "Put away" } });
  if (before.version === now.version) return;
  const changed = `The server is version ${now.version} now, this page is of ${before.version}.`;
  standing.set("version", { key: "version", mood: "warn", text: changed, button: { text: "Load again" } });
}

function refuse(what, refusal) {
  const names = { status: "Figures", clients: "Clients", topics: "Topics", shards: "Shards", settings: "Settings" };
  const since = what === "status" && statusAt ? `, those shown are of ${clock(statusAt)}` : "";
  const mood = refusal.status === 403 || refusal.status === 404 ? "plain" : "bad";
  const text = `${names[what]} cannot be had${since}: ${refusal.message}.`;
  refusals.set(what, { key: `refusal-${what}`, mood, text });
}

function notice() {
  const isOld = refusals.has("status");
  const now = status && !isOld ? concerns(status, lately) : [];
  // One sentence is enough if nothing is answered.
  const refused = isOld ? [refusals.get("status")] : [...refusals.values()];
  const list = [...refused, ...now, ...standing.values()];
  showNotices(list, (key) => {
    const { button } = list.find((one) => one.key === key);
    if (key === "version") location.reload();
    standing.delete(key);
    if (button.sort) sortClients(button.sort);
    if (button.tab) select(button.tab);
    notice();
  });
}

const TABS = ["clients", "topics", "shards", "memory", "settings"];
const LOOK = {
  clients: showClients,
  topics: showTopics,
  shards: showShards,
  memory: () => status && showMemory(status),
  settings: showSettings,
};

const openTab = () => TABS.find((tab) => !$(tab).hidden);

async function lookAtTab() {
  const tab = openTab();
  try {
    await LOOK[tab]();
    refusals.delete(tab);
  } catch (refusal) {
    refuse(tab, refusal);
  }
  for (const other of TABS) if (other !== openTab()) refusals.delete(other);
  setClass($(tab), "stale", refusals.has(tab));
  notice();
}

let lookNow = () => {};

function select(tab) {
  for (const other of TABS) {
    const button = $(`tab-${other}`);
    button.setAttribute("aria-selected", other === tab);
    button.tabIndex = other === tab ? 0 : -1;
    $(other).hidden = other !== tab;
  }
  // Not the id of the panel: the browser would scroll to it.
  history.replaceState(null, "", `#see-${tab}`);
  lookNow();
}

function startTabs() {
  for (const tab of TABS) {
    $(`tab-${tab}`).addEventListener("click", () => select(tab));
    $(`tab-${tab}`).addEventListener("keydown", (event) => {
      const at = TABS.indexOf(tab);
      const to = {
        ArrowRight: (at + 1) % TABS.length,
        ArrowLeft: (at + TABS.length - 1) % TABS.length,
        Home: 0,
        End: TABS.length - 1,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      select(TABS[to]);
      $(`tab-${TABS[to]}`).focus();
    });
  }
  const named = location.hash.replace("#see-", "");
  if (TABS.includes(named)) select(named);
}

addEventListener("load", checkParts);
startTalk();
startFigures();
startTabs();
const lookAtStatusNow = everySoOften(STATUS_MS, lookAtStatus);
everySoOften(TABLE_MS, lookAtQueues);
lookNow = everySoOften(TABLE_MS, lookAtTab);
startClients(lookNow);
startTopics(lookNow);
// A connection that stands again, or breaks, says that there is something new to be seen.
document.addEventListener("link", () => lookAtStatusNow());
