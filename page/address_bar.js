/**
 * The address bar: after `#history=` it holds the table of History, the time range and the view that are shown, after
 * `#view=` a view that is shared, as JSON in base64url; for Live nothing, and never a token.
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

/** The place of History that the address names, { table, range, view }, or null. */
export function placed() {
  if (!location.hash.startsWith("#history=")) return null;
  try {
    const [table, range, view] = location.hash.replace("#history=", "").split("/").map(decodeURIComponent);
    return { table, range, view };
  } catch {
    return null;
  }
}

/** Name what is shown now: such a place, or null for Live. With `push`, Back leads to what was named before. */
export function name(place, push) {
  const parts = place && [place.table, place.range, place.view].map(encodeURIComponent);
  const hash = parts ? `#history=${parts.join("/")}` : "";
  if (location.hash === hash) return;
  if (push) history.pushState(null, "", location.pathname + hash);
  else history.replaceState(null, "", location.pathname + hash);
}
