// Web apps that ask to be let in, and those that were.

import { ask } from "./api.js";
import { announce, day, make, one, say, showRows } from "./dom.js";

const CALM_MS = 700; // a click that was meant for what stood here a moment ago allows nothing

export async function showPairings() {
  const { pending, granted } = await ask("GET", "/api/pairings");
  one("nobody-asks").hidden = pending.length > 0;
  one("nobody-granted").hidden = granted.length > 0;
  showRows(one("pending"), pending, (item) => item.id, makePending, updatePending);
  showRows(one("granted"), granted, (item) => item.id, makeGranted, updateGranted);
}

function makePending(item) {
  const allow = make("button", { type: "button", className: "main allow", textContent: "Allow", disabled: true });
  const deny = make("button", { type: "button", className: "deny", textContent: "Deny" });
  setTimeout(() => (allow.disabled = false), CALM_MS);
  allow.onclick = () => change("POST", `/api/pairings/${item.id}/approve`, { code: item.code });
  const who = item.name ? `“${item.name}”` : "This page";
  deny.onclick = () => change("POST", `/api/pairings/${item.id}/deny`);
  return make(
    "li",
    { className: "pending" },
    make("span", { className: "origin", textContent: item.origin }),
    make("span", { className: "code", textContent: item.code }),
    make("span", { className: "quiet full", textContent: `${who} asks. Allow it if it shows the same code.` }),
    make("span", { className: "does" }, allow, deny),
  );
}

function updatePending(row, item) {
  const isAllowed = item.state === "approved";
  row.querySelector(".allow").hidden = isAllowed;
  if (isAllowed) say(row.querySelector(".quiet"), "Allowed; it has yet to come for its access.");
}

function makeGranted(item) {
  const revoke = make("button", { type: "button", className: "revoke", textContent: "Revoke" });
  revoke.setAttribute("aria-label", `Revoke ${item.origin}`);
  revoke.onclick = () => change("DELETE", `/api/pairings/${item.id}`);
  return make(
    "li",
    {},
    make("span", { className: "origin", textContent: item.origin, title: `since ${day(item.created_at)}` }),
    make("span", { className: "does" }, revoke),
    make("span", { className: "quiet" }),
  );
}

function updateGranted(row, item) {
  const used = item.last_used_at ? `last used ${day(item.last_used_at)}` : "not used yet";
  say(row.querySelector(".quiet"), item.name ? `“${item.name}”, ${used}` : used);
}

async function change(method, path, body) {
  try {
    const item = await ask(method, path, body);
    announce(`${item.origin} is ${item.state}`);
  } catch (problem) {
    announce(problem.message);
  }
  await showPairings().catch(() => {}); // the next look is in two seconds
}
