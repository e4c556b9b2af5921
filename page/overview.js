/** All tables at once: how many rows come to each, when the newest did, and the last minute as a line. */

import { age } from "./head.js";
import { serverNow } from "./status.js";
import { seen, sleep } from "./waiting.js";

const EVERY = 2000; // milliseconds between two questions
const [WIDTH, HEIGHT] = [180, 28];

const svg = (tag, properties) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  return made;
};

/** Numbers as a line; the last one is left out, as it is of two seconds that are not over. */
function line(beats) {
  const whole = beats.slice(0, -1);
  const most = Math.max(1, ...whole);
  const at = (value, place) => `${(place * WIDTH) / (whole.length - 1)},${HEIGHT - 2 - (value * (HEIGHT - 4)) / most}`;
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img" });
  drawn.setAttribute("aria-label", `rows of each two seconds of the last minute, at most ${most}`);
  drawn.append(svg("polyline", { points: whole.map(at).join(" "), fill: "none", stroke: "currentColor" }));
  return drawn;
}

function cell(row, ...content) {
  const made = row.insertCell();
  made.append(...content);
  return made;
}

/**
 * Show it in a section, for as long as that is not hidden. `hrefOf({ database, table, range })` is the address of a
 * table, live or of History. Returns `show(whether)`.
 */
export function overview(section, hrefOf) {
  const table = document.createElement("table");
  const told = document.createElement("p");
  section.append(table, told);
  const head = table.createTHead().insertRow();
  for (const text of ["table", "rows/s", "newest", "the last minute", ""]) {
    const title = Object.assign(document.createElement("th"), { textContent: text, scope: "col" });
    head.append(title);
  }
  const body = table.createTBody();

  function link(text, place) {
    return Object.assign(document.createElement("a"), { href: hrefOf(place), textContent: text });
  }

  function draw(tables) {
    const focused = document.activeElement?.closest("#overview a")?.href;
    body.replaceChildren();
    for (const { database, table, kind, rate, newest, beats } of tables) {
      const row = body.insertRow();
      cell(row, link(`${database}.${table}`, { database, table }), kind === "super" ? " super table" : "");
      cell(row, Math.round(rate) === rate || rate >= 10 ? Math.round(rate).toLocaleString("en") : rate);
      cell(row, newest === null ? "no rows" : age(serverNow() - newest));
      cell(row, beats.length ? line(beats) : "");
      cell(row, link("History", { database, table, range: "1h" }));
    }
    [...body.querySelectorAll("a")].find(({ href }) => href === focused)?.focus();
    told.textContent = tables.length ? "" : "There are no tables.";
  }

  async function repeat() {
    for (;;) {
      await seen();
      if (section.hidden) return;
      try {
        const answer = await fetch("figures", { signal: AbortSignal.timeout(15_000) });
        const found = await answer.json();
        if (answer.ok) draw(found.tables);
        else told.textContent = `TDengine cannot be asked: ${found.error}`;
      } catch {
        told.textContent = "The server does not answer.";
      }
      await sleep(EVERY);
    }
  }

  return {
    show(whether) {
      if (section.hidden !== whether) return;
      section.hidden = !whether;
      if (whether) repeat();
    },
  };
}
