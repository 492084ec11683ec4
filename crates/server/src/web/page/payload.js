// Payloads as text: JSON with line breaks, bytes as a dump, the rest as it is.

import { bytes, count, visibleLines } from "/words.js";

const JSON_CHARS_MAX = 8192;
const DUMP_BYTES_MAX = 64;
// As much JSON as reads well in one line.
const LINE_CHARS = 64;
const DEPTH_MAX = 20;

// `message` has payload or payload_b64, as an excerpt, and the whole size: chars or bytes.
// Returns { text, kind, note }.
export function shown(message) {
  if (message.payload_b64 !== undefined) return dump(message.payload_b64, message.bytes);
  const text = message.payload;
  const missing = message.chars - text.length;
  if (missing > 0) {
    const note = `${count(missing)} more characters are not shown`;
    return { text: visibleLines(text), kind: "text", note };
  }
  const pretty = indented(text);
  if (pretty !== null) return { text: visibleLines(pretty), kind: "json", note: "" };
  return { text: visibleLines(text), kind: "text", note: text === "" ? "empty" : "" };
}

function dump(base64, size) {
  let raw;
  try {
    raw = atob(base64);
  } catch {
    return { text: base64, kind: "binary", note: "not base64" };
  }
  const lines = [];
  for (let at = 0; at < Math.min(raw.length, DUMP_BYTES_MAX); at += 16) {
    const part = raw.slice(at, Math.min(at + 16, DUMP_BYTES_MAX));
    const hex = Array.from(part, (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
    const ascii = part.replace(/[^ -~]/g, "·");
    lines.push(`${hex.padEnd(47)}  ${ascii}`);
  }
  const rest = size > DUMP_BYTES_MAX ? `, the first ${DUMP_BYTES_MAX} of them` : "";
  return { text: lines.join("\n"), kind: "binary", note: `${bytes(size)}, not text${rest}` };
}

// JSON with line breaks, or in one line if it is short; every token as it was written: numbers keep
// their digits and objects their double keys, which parsing and writing again would change. `null` if it
// is no object or array.
function indented(text) {
  const first = text.trimStart()[0];
  if ((first !== "{" && first !== "[") || text.length > JSON_CHARS_MAX) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  // Strings, brackets, commas, colons, and whatever else stands between them.
  const tokens = Array.from(text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g), ([token]) => token);
  const line = tokens.map((token) => (token === "," || token === ":" ? `${token} ` : token)).join("");
  return line.length <= LINE_CHARS ? line : lines(tokens);
}

function lines(tokens) {
  let out = "";
  let depth = 0;
  let previous = "";
  for (const token of tokens) {
    const closes = token === "}" || token === "]";
    const opened = previous === "{" || previous === "[";
    if (closes) depth -= 1;
    if (closes !== opened || previous === ",") {
      out += "\n" + "  ".repeat(Math.min(depth, DEPTH_MAX));
    }
    out += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth += 1;
    previous = token;
  }
  return out;
}
