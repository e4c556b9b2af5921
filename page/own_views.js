/** Views that are saved under a name: the visitor's own, in the browser, and those that the server offers to all. */

import { download } from "./download.js";
import { memory } from "./memory.js";
import { note } from "./note.js";
import { checked } from "./panels.js";
import "./popups.js";

const LONGEST = 60; // letters of a name

let offered = []; // by the server: { name, table, view }

/** Ask the server for the views that it offers. */
export async function askForViews() {
  offered = await fetch("dashboards")
    .then((answer) => answer.json())
    .catch(() => []);
}

/** A view that came from a file, for a table of these columns. Throws where it is none. */
function read(text, columns) {
  const { name, view } = JSON.parse(text);
  if (typeof name !== "string" || !name.trim()) throw new Error("it has no name");
  return { name: name.trim().slice(0, LONGEST), view: checked(view, columns) };
}

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

/**
 * The views of the table that the browser's memory knows as `of`, and the server as `table`; its columns are `columns`,
 * and `reserved` are names that are taken. `view()` resolves to the one that is shown, with its name; `changed(name)` is
 * called when there are others, and which is to be shown.
 *
 * Returns `names()`, `get(name)`, which is null where there is none, `choose(name)`, which tells which is shown, and
 * `leave()`.
 */
export function ownViews({ of, table, columns, reserved, view, changed }) {
  const key = `own views of ${of}`;
  const fits = (each) => {
    try {
      return (each.table ?? table) === table && checked(each.view, columns) && !reserved.includes(each.name);
    } catch {
      return false;
    }
  };
  const theirs = Object.fromEntries(offered.filter(fits).map((each) => [each.name, each.view]));
  let [own, current] = [memory.get(key) ?? {}, null];
  const taken = (name) => reserved.includes(name) || name in theirs;

  const name = element("input", { placeholder: "Name", maxLength: LONGEST, required: true });
  name.setAttribute("aria-label", "Name of the view");
  const [save, rename] = [element("button", { textContent: "Save" }), element("button", { textContent: "Rename" })];
  const [drop, out] = ["Delete", "Download"].map((textContent) => element("button", { textContent, type: "button" }));
  const file = element("input", { type: "file", accept: ".json,application/json" });
  file.setAttribute("aria-label", "A view from a file");
  const form = element("form", { className: "values" }, name, save, rename, drop, out, element("label", {}, "From a file ", file));
  const menu = element("details", { id: "own" }, element("summary", { textContent: "Save" }), form);
  menu.querySelector("summary").title = "Keep what is shown as a view of your own";
  document.querySelector("#theme").before(menu);

  function keep(next, shown) {
    own = next;
    memory.set(key, own);
    menu.open = false;
    changed(shown);
  }

  /** A name that is free, as this one or like it. */
  function free(wanted) {
    let [found, number] = [wanted, 1];
    while (taken(found) || found in own) found = `${wanted} (${++number})`;
    return found;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = name.value.trim();
    if (!wanted || taken(wanted)) return note(`There is a view called ${wanted || "so"} already: choose another name.`);
    if (event.submitter === rename) {
      const renamed = Object.entries(own).map(([known, each]) => [known === current ? wanted : known, each]);
      return keep(Object.fromEntries(renamed), wanted);
    }
    keep({ ...own, [wanted]: (await view()).view }, wanted);
  });
  drop.addEventListener("click", () => {
    const { [current]: gone, ...rest } = own;
    keep(rest, null);
  });
  out.addEventListener("click", async () => {
    download(`${current}.json`, [JSON.stringify({ table, ...(await view()) }, null, 2)]);
  });
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    file.value = "";
    if (!chosen) return;
    try {
      const { name: called, view: found } = read(await chosen.text(), columns);
      const as = free(called);
      keep({ ...own, [as]: found }, as);
    } catch (error) {
      const why = error instanceof SyntaxError ? "it is no JSON" : error.message;
      note(`No view can be read from ${chosen.name}: ${why}.`);
    }
  });

  return {
    names: () => [...Object.keys(theirs), ...Object.keys(own)],
    get: (wanted) => theirs[wanted] ?? own[wanted] ?? null,
    choose(shown) {
      if (shown !== current) name.value = shown in own ? shown : ""; // else somebody may be typing there
      current = shown;
      rename.hidden = drop.hidden = !(shown in own);
    },
    leave() {
      menu.remove();
    },
  };
}
