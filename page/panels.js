/**
 * Views of one or more panels, as the viewer's workspace has them: { layout, panels, masters }. A panel is what
 * `viewer.restore()` takes, by a name of its own; what is clicked in those that are masters selects for all others.
 */

import { theme } from "./theme.js";
import { inTurn } from "./turns.js";
import { missing } from "./views.js";
import { undrawn } from "./webgl.js";

/** All that a panel may set: one that is restored begins with these, or it would keep parts of the one before. */
const BLANK = {
  plugin: "Datagrid",
  group_by: [],
  split_by: [],
  sort: [],
  filter: [],
  expressions: {},
  aggregates: {},
  columns_config: {},
  plugin_config: {},
  group_rollup_mode: "rollup",
};
const MOST = 16; // panels of a view that comes from somewhere else

/** That a view names columns which the table does not have, or is no view at all. */
export class Unfit extends Error {}

const tabs = (...names) => ({ type: "tab-layout", tabs: names, selected: 0 });

/** A view of one panel. It has the same name in all of them, so that one follows the other in the same place. */
export const alone = (config) => ({ layout: tabs("main"), panels: { main: config }, masters: [] });

/** Parts beside or below each other, each the name of a panel or such parts again, with what each has of the room. */
export const split = (orientation, parts) => ({
  type: "split-layout",
  orientation,
  sizes: parts.map(([size]) => size),
  children: parts.map(([, part]) => (typeof part === "string" ? tabs(part) : part)),
});

const named = (layout) => layout?.tabs ?? (layout?.children ?? []).flatMap(named);
const mapped = (panels, change) =>
  Object.fromEntries(Object.entries(panels).map(([name, config]) => [name, change(config, name)]));

/** A view, its panels changed by a function that may be asynchronous. */
export async function changed(view, change) {
  const entries = Object.entries(view.panels).map(async ([name, config]) => [name, await change(config)]);
  return { ...view, panels: Object.fromEntries(await Promise.all(entries)) };
}

/** A view that came from somewhere else, for a table of these columns; also one from before there were panels. */
export function checked(view, columns) {
  if (view.columns) view = alone(view);
  const names = Object.keys(view.panels ?? {});
  const laid = [...named(view.layout)].sort();
  if (!names.length || names.length > MOST || JSON.stringify(names.sort()) !== JSON.stringify(laid)) {
    throw new Unfit("it is none");
  }
  const own = Object.values(view.panels).filter(({ table }) => !table);
  const absent = new Set(own.flatMap((config) => missing(config, columns)));
  if (absent.size) throw new Unfit(`the table has no ${[...absent].join(", ")}`);
  const why = undrawn(view);
  if (why) throw new Unfit(why);
  return { ...view, masters: (view.masters ?? []).filter((name) => names.includes(name)) };
}

/** Whether there is room for one panel at a time: the others are then tabs of it. */
export const narrow = matchMedia("(max-width: 800px)");

let titles = new Map(); // what the page has called each panel, and what of that is the panel's own
let laid = null; // how the view is laid out where there is room

/**
 * Show a view of the table that `tableName()` resolves to by then, with `filters` for all panels that do not select
 * themselves: the viewer would wait for ever for one that has made room for another. The title of each panel says what
 * `about(config)` does, besides its own.
 */
export const show = (...what) => inTurn(() => showNow(...what));

async function showNow(viewer, view, { tableName, about, filters }) {
  const table = await tableName();
  [titles, laid] = [new Map(), view.layout];
  const panels = mapped(view.panels, (config, name) => {
    const title = titled(name, config, about(config, view.masters.includes(name)));
    return { ...BLANK, ...config, table: config.table ?? table, theme: theme(), title };
  });
  const layout = narrow.matches ? tabs(...named(laid)) : laid;
  await viewer.restoreWorkspace({ layout, masters: view.masters, panels, global_filters: filters });
}

/** The title of a panel: its own, if it has one, and what there is to say of its rows. */
function titled(name, { title: own }, about) {
  const title = [own, about].filter(Boolean).join(" — ");
  titles.set(name, { title, own });
  return title;
}

/** What of a panel's title is its own. A panel that the visitor has made of another one is called like that. */
function ownTitle(name, title) {
  const known = [titles.get(name), ...titles.values()].find((each) => each?.title === title);
  return known ? known.own : title;
}

/** Have the view that is shown be filtered, where the viewer has not done that itself, and its titles say so. */
export const filter = (...what) => inTurn(() => filterNow(...what));

async function filterNow(viewer, { about, filters }) {
  const { panels, masters = [], global_filters = [] } = await viewer.saveWorkspace();
  if (JSON.stringify(global_filters) !== JSON.stringify(filters)) {
    await viewer.restoreWorkspace({ global_filters: filters });
  }
  for (const [name, config] of Object.entries(panels)) {
    const own = { ...config, title: ownTitle(name, config.title) };
    const title = titled(name, own, about(own, masters.includes(name)));
    if (title !== config.title) await viewer.restore({ title }, { panel: name });
  }
}

/** What the viewer shows, as a view: neither the theme, which is the visitor's, nor the table's name, `tableName()`. */
export const shownBy = (...what) => inTurn(() => shownNow(...what));

async function shownNow(viewer, tableName) {
  const table = await tableName();
  const { layout, panels, masters = [] } = await viewer.saveWorkspace();
  const kept = (saved, name) => {
    const { theme, version, table: of, title, ...config } = saved;
    const own = ownTitle(name, title);
    // (A space behind a table's name tells a second replica of it from the first: see page/replication.js.)
    return { ...config, ...(own && { title: own }), ...(of.trim() !== table.trim() && { table: of }) };
  };
  const same = JSON.stringify(named(layout).sort()) === JSON.stringify([...named(laid)].sort());
  return { layout: narrow.matches && same ? laid : layout, panels: mapped(panels, kept), masters };
}

// The viewer (5.6.1) goes on drawing in a panel that is on its way out, and fails at that, to nobody's harm.
const LEAVING =
  /No panel named|Panel disposed|RendererTransport destroyed|reading '(setSelection|port1)'|closure invoked recursively/;
for (const type of ["error", "unhandledrejection"]) {
  addEventListener(type, (event) => {
    if (LEAVING.test(event.message ?? event.reason?.message ?? event.reason)) event.preventDefault();
  });
}

/** Draw all panels anew, each from where it is scrolled to. */
export const redraw = (viewer) =>
  inTurn(async () => {
    for (const panel of viewer.getPanelNames()) await viewer.restore({}, { panel });
  });

/** A view as text that is the same for the same view: Perspective saves its parts in any order. */
export function canonical(view) {
  const sorted = (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.stringify(view, sorted);
}
