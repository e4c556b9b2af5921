/**
 * What is selected of a table, for all panels at once: filters, chosen in a panel that selects or with the pickers of
 * the bar, where they stand and can be taken back.
 */

import { memoryOfTab } from "./memory.js";
import "./popups.js";

const PICKERS = 3; // columns that can be picked of by hand
const LISTED = 200; // values of one of them that are shown at a time

/** A value in words. */
const worded = (value) => (value === null ? "none" : String(value));

/** A filter in words: the values alone where it names some. */
export function inWords([column, op, value]) {
  if (op === "is null") return `${column}: none`;
  const values = (op === "in" || op === "==") && [value].flat();
  if (!values) return `${column} ${op} ${worded(value)}`;
  const more = values.length > 3 ? ` and ${values.length - 2} more` : "";
  return values.slice(0, more ? 2 : 3).map(worded).join(", ") + more;
}

const inOrder = (one, other) => (typeof one === "number" ? one - other : one < other ? -1 : 1);

/** Filters that came from somewhere else, those of columns that there are. */
function known(filters, columns) {
  const names = columns.map(([name]) => name);
  const valid = (each) => Array.isArray(each) && names.includes(each[0]) && typeof each[1] === "string";
  return Array.isArray(filters) ? filters.filter(valid) : [];
}

/**
 * Let the visitor select of a table whose columns are `columns`, beginning with `begin` or what was selected last time.
 * `pickable` names the columns of which values can be picked, and `valuesOf(column)` finds them. `of` names the table in
 * the tab's memory; `changed()` is called when other rows are to be shown, but for those that the viewer has changed to.
 *
 * Returns the `filters` of now, what they are in `words`, and `leave()`.
 */
export function offerSelection({ viewer, of, columns, pickable, valuesOf, begin = null, changed }) {
  const leaving = new AbortController();
  const { signal } = leaving;
  const bar = document.querySelector("#selection");
  const key = `selection of ${of}`;
  let filters = known(begin ?? memoryOfTab.get(key), columns);
  let [panel, letGo, by] = [null, false, new Map()]; // which panel was clicked last; what each has selected

  function select(next) {
    filters = next;
    memoryOfTab.set(key, filters);
    draw();
    changed();
  }

  const without = (...columns) => filters.filter(([column]) => !columns.includes(column));

  function draw() {
    for (const picker of bar.querySelectorAll("details")) {
      const { column } = picker.dataset;
      const found = filters.filter(([name]) => name === column);
      picker.classList.toggle("some", found.length > 0);
      picker.querySelector("summary").textContent = `${column}: ${found.map(inWords).join(", ") || "all"}`;
      for (const box of picker.querySelectorAll("input[type=checkbox]")) box.checked = picks(column).map(String).includes(box.value);
    }
    for (const chip of bar.querySelectorAll(".chip")) chip.remove();
    for (const filter of filters) {
      const picked = [...bar.querySelectorAll("details")].find((picker) => picker.dataset.column === filter[0]);
      const text = picked ? "×" : `${filter[0]}: ${inWords(filter)} ×`;
      const chip = Object.assign(document.createElement("button"), { className: "chip", textContent: text });
      chip.title = `Show all again, whatever ${filter[0]}`;
      chip.addEventListener("click", () => select(filters.filter((each) => each !== filter)));
      if (picked) picked.after(chip);
      else bar.append(chip);
    }
  }

  /** The values of a column that are picked. */
  const picks = (column) =>
    filters.flatMap(([name, op, value]) => (name === column && (op === "in" || op === "==") ? [value].flat() : []));

  function pick(column, value, on) {
    const values = [...picks(column).filter((each) => each !== value), ...(on ? [value] : [])].sort(inOrder);
    select([...without(column), ...(values.length ? [[column, "in", values]] : [])]);
  }

  /** The list of a column's values, which is asked for when it is opened. */
  function picker(column) {
    const found = document.createElement("details");
    found.dataset.column = column;
    const [summary, list] = ["summary", "div"].map((tag) => document.createElement(tag));
    const search = Object.assign(document.createElement("input"), { type: "search", placeholder: "Search" });
    const all = Object.assign(document.createElement("button"), { textContent: "All" });
    const boxes = document.createElement("div");
    list.className = "values";
    search.setAttribute("aria-label", `Search ${column}`);
    list.append(search, all, boxes);
    found.append(summary, list);
    let values = [];
    function fill() {
      const wanted = values.filter((value) => String(value).toLowerCase().includes(search.value.toLowerCase()));
      search.hidden = values.length < 10;
      boxes.replaceChildren(
        ...wanted.slice(0, LISTED).map((value) => {
          const label = document.createElement("label");
          const box = Object.assign(document.createElement("input"), { type: "checkbox", value });
          box.addEventListener("change", () => pick(column, value, box.checked));
          label.append(box, value === "" ? "(empty)" : String(value));
          return label;
        }),
        ...(wanted.length > LISTED ? [`and ${wanted.length - LISTED} more: search`] : []),
      );
      draw();
    }
    search.addEventListener("input", fill);
    all.addEventListener("click", () => select(without(column)));
    found.addEventListener("toggle", async () => {
      if (!found.open) return;
      boxes.textContent = "…";
      try {
        values = (await valuesOf(column)).filter((value) => value !== null).sort(inOrder);
        fill();
      } catch {
        boxes.textContent = "These cannot be listed.";
      }
    });
    return found;
  }

  /** What the viewer has filtered the panels by, because a panel that selects was clicked. */
  function clicked({ detail }) {
    const found = known(detail, columns);
    if (JSON.stringify(found) === JSON.stringify(filters)) return;
    if (!found.length) {
      if (!letGo) return; // a chart that is drawn anew lets go of what was clicked
      letGo = false;
      return select(without(...(by.get(viewer.getActivePanel()) ?? [])));
    }
    const columnsOf = (some) => some.map(([column]) => column);
    const added = found.filter((filter) => !filters.some((each) => JSON.stringify(each) === JSON.stringify(filter)));
    if (!added.length) {
      // The same is clicked again, in a chart, which cannot let go of it by itself.
      if (panel === null) select(without(...columnsOf(found)));
      return;
    }
    by.set(viewer.getActivePanel(), columnsOf(added));
    select([...without(...columnsOf(added)), ...added]);
  }

  const on = (target, type, listener) => target.addEventListener(type, listener, { signal });
  on(viewer, "perspective-select", ({ detail }) => ([panel, letGo] = [detail?.panel ?? null, detail === null]));
  on(viewer, "pointerdown", () => ([panel, letGo] = [null, false]));
  on(viewer, "perspective-global-filter-update", clicked);
  on(bar, "keydown", (event) => {
    const open = bar.querySelector("details[open]");
    if (event.key !== "Escape" || !open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  bar.replaceChildren(...pickable.slice(0, PICKERS).map(picker));
  draw();
  return {
    get filters() {
      return filters;
    },
    get words() {
      return filters.map(inWords).join(", ");
    },
    leave() {
      leaving.abort();
      bar.replaceChildren();
    },
  };
}
