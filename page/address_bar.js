/**
 * The address bar: after `#history=` it holds the table of History, the time range and the view that are shown, after
 * `#live=` a live table and its view, both with the database where that is not the first; after `#view=` a view that is
 * shared, as JSON in base64url; for Live of the first table nothing, and never a token. `#tables` is all tables at once.
 */

// The server has traded that for a cookie.
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

function encode(shared) {
  const bytes = new TextEncoder().encode(JSON.stringify(shared));
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decode(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** What was shared as the link that leads here, or null; an empty view, which fits nowhere, for what is no link. */
export function linked() {
  if (!location.hash.startsWith("#view=")) return null;
  try {
    return decode(location.hash.replace("#view=", ""));
  } catch {
    return { view: {} };
  }
}

/** Put a link into the address bar, and into the clipboard; whether the browser lets it do that. */
export async function share(shared) {
  history.replaceState(null, "", `#view=${encode(shared)}`);
  try {
    await navigator.clipboard.writeText(location.href);
    return true;
  } catch {
    return false;
  }
}

/** The place that the address names, { table, range, view, database }, without a range where it is live; or null. */
export function placed() {
  const [kind, rest] = location.hash.split("=", 2);
  if (!["#history", "#live"].includes(kind)) return null;
  try {
    const [table, ...parts] = rest.split("/").map(decodeURIComponent);
    const [range, view, database] = kind === "#live" ? [undefined, ...parts] : parts;
    return { table, range, view, database };
  } catch {
    return null;
  }
}

/** The address of such a place; of null, for Live of the first table, nothing. */
export function addressOf(place) {
  if (!place) return "";
  const { table, range, view = "", database } = place;
  const parts = [table, ...(range === undefined ? [] : [range]), view, ...(database ? [database] : [])];
  return `#${range === undefined ? "live" : "history"}=${parts.map(encodeURIComponent).join("/")}`;
}

/** Name what is shown now. With `push`, Back leads to what was named before. */
export function name(place, push) {
  const hash = addressOf(place);
  if (location.hash === hash) return;
  if (push) history.pushState(null, "", location.pathname + hash);
  else history.replaceState(null, "", location.pathname + hash);
}

/** Whether the address is that of all tables at once. */
export const isOverview = () => location.hash === "#tables";
