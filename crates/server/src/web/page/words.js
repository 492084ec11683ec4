// Numbers, sizes and times as words.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

// All digits.
export const count = (number) => whole.format(number);

// A few digits, for what moves.
export function rate(number) {
  if (number > 0 && number < 0.05) return "<0.1";
  if (number < 10) return String(Math.round(number * 10) / 10);
  return number < 100000 ? whole.format(number) : short.format(number);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(number) {
  let unit = 0;
  while (number >= 1024 && unit < UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || number >= 100 ? 0 : 1;
  return `${number.toFixed(digits)} ${UNITS[unit]}`;
}

// How long ago, or how long: the largest units.
export function span(seconds, unitsMax = 2) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  if (seconds < 1) return "0 s";
  const words = [];
  let rest = Math.floor(seconds);
  for (const [name, size] of units.slice(first, first + unitsMax)) {
    const number = Math.floor(rest / size);
    rest -= number * size;
    if (number > 0) words.push(`${number} ${name}`);
  }
  return words.join(" ");
}

const two = (number) => String(number).padStart(2, "0");

// On this machine's clock; with the day if it was another one.
export function clock(date, withMilliseconds = false) {
  let text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (withMilliseconds) text += `.${String(date.getMilliseconds()).padStart(3, "0")}`;
  const sameDay = date.toDateString() === new Date().toDateString();
  return sameDay ? text : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${text}`;
}

export const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;

// Text of strangers in one line: what would move, hide or reverse the text around it is spelled out.
export function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, spelled);
}

// The same for what may have lines.
export function visibleLines(text) {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g,
    spelled,
  );
}

const spelled = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;
