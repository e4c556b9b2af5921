/** Export: all rows of the table of History over its time range, as a file, while the rest of the page works. */

import { download } from "./download.js";
import { note } from "./note.js";

const [NEWLINE, QUOTE] = [10, 34];

/** What counts the rows of CSV from its bytes, chunk by chunk: line ends that are in no text, but for the first. */
function rowCounter() {
  let [rows, quoted] = [-1, false];
  return (bytes) => {
    for (const byte of bytes) {
      if (byte === QUOTE) quoted = !quoted;
      else if (byte === NEWLINE && !quoted) rows++;
    }
    return Math.max(rows, 0);
  };
}

/** Where a file goes: one that the visitor names, where the browser lets the page write it, else a download at the end. */
async function fileOf(name) {
  try {
    const stream = await (await showSaveFilePicker({ suggestedName: name })).createWritable();
    return { write: (bytes) => stream.write(bytes), end: () => stream.close(), drop: () => stream.abort() };
  } catch (error) {
    if (error.name === "AbortError") return null;
  }
  const parts = [];
  return { write: (bytes) => parts.push(bytes), end: () => download(name, parts), drop() {} };
}

/**
 * Let the visitor export what `exported()` resolves to, { table, range, view }, or null where there is nothing: as CSV
 * or Arrow. It is told how far that is, and can be stopped.
 */
export function offerExport(exported) {
  const find = (selector) => document.querySelector(selector);
  const [button, formats, told, stop] = ["#export", "#formats", "#exporting", "#stop"].map(find);
  let stopping = null;

  function open(opened) {
    formats.hidden = !opened;
    button.setAttribute("aria-expanded", opened);
  }

  async function run(format) {
    const what = await exported();
    const file = what && (await fileOf(`${what.table}.${format}`));
    if (!file) return;
    stopping = new AbortController();
    [button.disabled, stop.hidden, told.textContent] = [true, false, "exporting …"];
    try {
      const asked = new URLSearchParams({ ...what, view: JSON.stringify(what.view), format });
      const answer = await fetch(`export?${asked}`, { signal: stopping.signal });
      if (!answer.ok) throw new Error((await answer.text()).trim());
      await save(answer.body.getReader(), file, format === "csv" ? rowCounter() : null);
    } catch (error) {
      file.drop();
      const why = error instanceof TypeError ? "it has broken off" : error.message;
      if (!stopping.signal.aborted) note(`The export has failed: ${why}.`);
    } finally {
      [button.disabled, stop.hidden, told.textContent] = [false, true, ""];
    }
  }

  async function save(reader, file, count) {
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await file.write(value);
      size += value.length;
      const rows = count ? `, ${count(value).toLocaleString("en")} rows` : "";
      told.textContent = `exporting … ${(size / 1e6).toFixed(1)} MB${rows}`;
    }
    await file.end();
  }

  button.addEventListener("click", () => open(formats.hidden));
  formats.addEventListener("click", ({ target }) => {
    if (!target.value) return;
    open(false);
    run(target.value);
  });
  formats.parentElement.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || formats.hidden) return;
    open(false);
    button.focus();
  });
  stop.addEventListener("click", () => stopping.abort());
}
