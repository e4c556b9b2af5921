/** The address bar: it holds a view that is shared, after `#view=`, as JSON in base64url; and no token. */

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

/** Take the link out of the address bar: what is shown is no longer what was shared. */
export function unlink() {
  if (location.hash) history.replaceState(null, "", location.pathname);
}
