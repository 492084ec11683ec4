// Questions to /api/v1 and /t.

const PATIENCE_MS = 6000;

// What went wrong: `status` is that of the answer, 0 if there was none.
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  const response = await fetched(path, options);
  try {
    return await response.json();
  } catch {
    throw new Refusal(0, "the answer broke off");
  }
}

// Lines of JSON.
export async function askLines(path) {
  const response = await fetched(path, {});
  try {
    const text = await response.text();
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  } catch {
    throw new Refusal(0, "the answer broke off");
  }
}

async function fetched(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    throw new Refusal(0, error.name === "TimeoutError" ? "the server takes too long" : "the server does not answer");
  }
  if (response.ok) return response;
  throw new Refusal(response.status, await reason(response));
}

async function reason(response) {
  try {
    const problem = await response.json();
    return problem.detail || problem.title || `status ${response.status}`;
  } catch {
    return `status ${response.status}`;
  }
}

// Calls `work` again and again, one call at a time, as long as the page is looked at. Returns a function
// that makes the next call come now.
export function everySoOften(milliseconds, work) {
  let timer = 0;
  let busy = false;
  let again = false;
  const run = async () => {
    clearTimeout(timer);
    if (busy) {
      again = true;
      return;
    }
    if (document.hidden) return;
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
      timer = setTimeout(run, again ? 0 : milliseconds);
      again = false;
    }
  };
  document.addEventListener("visibilitychange", run);
  run();
  return run;
}
