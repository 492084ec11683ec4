// Loads the page again if a part of it did not come: a server that is just restarting, or a browser so
// slow that its connection was taken for that of a person, must not leave half a page.

import { $ } from "/dom.js";

const WAIT_MS = 1000;
const TRIES_MAX = 5;

export function startOver() {
  let tries = TRIES_MAX;
  try {
    tries = Number(sessionStorage.getItem("tries")) + 1;
    sessionStorage.setItem("tries", tries);
  } catch {
    // Storage may be forbidden. Without it nobody knows when to stop.
  }
  const isLast = tries >= TRIES_MAX;
  $("link-text").textContent = `The page did not load completely${isLast ? ": load it again" : ""}`;
  if (!isLast) setTimeout(() => location.reload(), WAIT_MS);
}

// To be called when everything has come, or has not.
export function checkParts() {
  if (!document.styleSheets.length) return startOver();
  try {
    sessionStorage.removeItem("tries");
  } catch {
    // See above.
  }
}
