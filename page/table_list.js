/** The list of all tables, out of which one is chosen: by database, super tables first, their children under them. */

import "./popups.js";
import { sleep } from "./waiting.js";

const LISTED = 200; // tables that are shown at a time
const SHORT = 8; // so few need no search, nor children that are folded away

/** What the server offers, { first, databases, tables }; of its tables those whose names have a text in them. */
export async function offered(like = "") {
  const answer = await fetch(`tables?${new URLSearchParams({ like })}`, { signal: AbortSignal.timeout(15_000) });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

/**
 * Have a title, which names the table that is shown, open the list. `hrefOf({ database, table })` is the address of a
 * table, and `chosen` is called with the one that is clicked.
 */
export function tableList(title, hrefOf, chosen) {
  const search = element("input", { type: "search", placeholder: "Search" });
  search.setAttribute("aria-label", "Search tables");
  const tables = element("div");
  const summary = element("summary", { title: "Choose another table" });
  const list = element("details", { id: "tables" }, summary, element("div", { className: "values" }, search, tables));
  title.before(list);
  summary.append(title);
  let turn = 0;

  function link({ database, table, kind }) {
    const found = element("a", { href: hrefOf({ database, table }), textContent: table, className: kind });
    found.toggleAttribute("aria-current", `${database}.${table}` === title.textContent);
    found.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      list.open = false;
      summary.focus();
      chosen({ database, table });
    });
    return found;
  }

  /** A super table with its children, which are folded away where they are many. */
  function family(each, children, open) {
    if (!children.length) return [link(each)];
    const fold = element("details", { open }, element("summary", { textContent: children.length === 1 ? "1 child" : `${children.length} children` }));
    fold.append(...children.map(link));
    return [link(each), fold];
  }

  function fill({ databases, tables: found }) {
    const some = found.slice(0, LISTED);
    const few = found.length <= SHORT || search.value !== "";
    const groups = databases.map((database) => {
      const own = some.filter((each) => each.database === database);
      const childrenOf = (name) => own.filter(({ kind, parent }) => kind === "child" && parent === name);
      const heads = own.filter(({ kind }) => kind !== "child");
      const orphans = own.filter(({ kind, parent }) => kind === "child" && !heads.some(({ table }) => table === parent));
      const links = [...heads.flatMap((each) => family(each, each.kind === "super" ? childrenOf(each.table) : [], few)), ...orphans.map(link)];
      return links.length ? [...(databases.length > 1 ? [element("h2", { textContent: database })] : []), ...links] : [];
    });
    search.hidden = search.value === "" && found.length <= SHORT;
    tables.replaceChildren(...groups.flat());
    if (found.length > LISTED) tables.append(`and ${found.length - LISTED} more: search`);
    if (!found.length) tables.append("There is no such table.");
  }

  async function ask() {
    const asked = ++turn;
    try {
      const found = await offered(search.value.trim());
      if (asked === turn) fill(found);
    } catch (error) {
      if (asked === turn) tables.replaceChildren(`The tables cannot be listed: ${error.message}`);
    }
  }

  list.addEventListener("toggle", () => {
    if (!list.open) return;
    search.value = "";
    ask();
  });
  search.addEventListener("input", async () => {
    const typed = ++turn;
    await sleep(150);
    if (typed === turn) ask();
  });
  list.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !list.open) return;
    list.open = false;
    summary.focus();
  });
}
