/** The views of a table as the page offers them: a button and a key each, the visitor's changes kept, Reset, Share. */

import { share } from "./address_bar.js";
import { memory } from "./memory.js";
import { note } from "./note.js";
import { ownViews } from "./own_views.js";
import { canonical, checked, filter, narrow, show, shownBy, Unfit } from "./panels.js";
import { offerSelection } from "./selection.js";

/**
 * Offer the ready-made views called `names` of a table whose columns are `columns`, and show the one that `begin` names
 * ({ name, view, whose }, where `view` may be null), else the one that was shown last time, else the first.
 *
 * `make(name, filters)` makes a ready-made one of what is selected, and `fit(view, made)` has one that was shown before
 * fit these rows. `of` names the table in the browser's memory, `full` is its name with the database's, `tableName()`
 * resolves to the viewer's; `about(config)` is what the title of a panel says of its rows, `pickable` and `valuesOf` are
 * what can be selected by hand, and `link` goes into links to views. Where rows are asked for over a connection
 * (`remote`), that one could not be shown says nothing about the view; `rest()` waits until what the visitor changed in
 * the viewer is drawn, and fails if it will not be. `named(name)` is told which view is chosen.
 *
 * Returns `ready`, which resolves when the first view is shown or could not be; `shown`, as `begin`, the last one that
 * was, or null, and whether it is ready-made (`made`); `selected`, the filters for all panels; `settled()`, which
 * resolves when what was chosen is shown; and `leave()`, which ends the offer.
 */
export function offerViews(options) {
  const { viewer, columns, of, full, tableName, about, names, make, pickable, valuesOf, begin = null, link = {} } = options;
  const { fit = (view) => view, remote = false, rest = async () => {}, named = () => {} } = options;
  const leaving = new AbortController();
  const { signal } = leaving;
  const key = `views of ${of}`;
  const mine = { changed: {}, ...memory.get(key) };
  const [nav, resetButton, shareButton] = ["nav", "#reset", "#share"].map((each) => document.querySelector(each));
  let [current, shared, applied, shown, timer] = [null, false, null, null, null];
  let readyMade = null; // the view as it was made
  let [busy, keeping] = [Promise.resolve(), Promise.resolve()];

  const all = () => [...names, ...own.names()];

  function mark() {
    own.choose(current);
    for (const button of nav.children) {
      button.setAttribute("aria-pressed", button.value === current);
      button.classList.toggle("changed", button.value in mine.changed || (shared && button.value === current));
    }
    resetButton.disabled = !shared && !(current in mine.changed);
    if (!shared) named(current);
  }

  /** Keep how a view is changed, undefined where it is not; what other tabs have changed of other views stays. */
  function record(name, view) {
    const { [name]: _, ...others } = changes();
    mine.changed = view ? { ...others, [name]: view } : others;
    memory.set(key, { changed: mine.changed, current });
  }

  const changes = () => memory.get(key)?.changed ?? mine.changed;

  /** Keep what is chosen, and how that view is changed. */
  function remember() {
    if (!shared) record(current, mine.changed[current]);
    mark();
  }

  const own = ownViews({
    ...{ of, columns, table: full, reserved: names },
    view: async () => ({ name: current, view: await shownBy(viewer, tableName) }),
    changed(name) {
      for (const saved of [current, name]) record(saved); // what was changed is saved under a name
      buttons();
      open(name ?? names[0]);
    },
  });
  const selection = offerSelection({
    ...{ viewer, of, columns, pickable, valuesOf, begin: begin?.selection },
    changed: () => queue(narrowed),
  });
  const isMade = () => !shared && !(current in mine.changed);

  /** Show what is shown of what is selected; a ready-made view may be another one then. */
  async function narrowed() {
    const found = isMade() ? (own.get(current) ?? (await make(current, selection.filters))) : null;
    if (found && canonical(found) !== readyMade) return choose(current, null, "", true);
    await filter(viewer, { about: told, filters: selection.filters });
    took(await shownBy(viewer, tableName));
  }

  /** Show the view that is shown with other room. */
  function reshow() {
    select(current, isMade() ? null : applied && JSON.parse(applied), "that was shown", isMade(), shared);
  }

  /** What the title of a panel says of its rows: those that are selected, unless it selects itself. */
  const told = (config, selects) => [selects ? "" : selection.words, about(config)].filter(Boolean).join(", ");

  async function apply(view, made) {
    view = await fit(checked(view, columns), made);
    await show(viewer, view, { tableName, about: told, filters: selection.filters });
    took(await shownBy(viewer, tableName));
  }

  /** This is what the viewer shows now. */
  function took(view) {
    applied = canonical(view);
    shown = { name: current, view, made: isMade(), whose: shared ? "in the link" : "that was shown" };
  }

  async function choose(name, view, whose, made = false, foreign = whose === "in the link") {
    [current, shared] = [name, foreign];
    remember();
    try {
      if (view) await apply(view, made);
    } catch (error) {
      if (signal.aborted || (remote && !(error instanceof Unfit))) throw error;
      note(`The view ${whose} does not fit: ${error.message}. Here is the ready-made one.`);
      if (!shared) delete mine.changed[name];
      [view, shared] = [null, false];
    }
    if (!view) {
      const found = own.get(name) ?? (await make(name, selection.filters));
      readyMade = canonical(found);
      await apply(found, true);
    }
    remember();
  }

  const select = (...what) => queue(() => choose(...what));

  function queue(work) {
    nav.setAttribute("aria-busy", true);
    const turn = busy
      .then(work)
      .catch((error) => signal.aborted || note(`This view cannot be shown: ${error.message}.`))
      .then(() => busy === turn && !signal.aborted && nav.setAttribute("aria-busy", false));
    return (busy = turn);
  }

  const open = (name) => {
    mine.changed = changes();
    return select(name, mine.changed[name], "that you kept");
  };

  /** Keep what the visitor has changed in the viewer, once it has come to rest. */
  async function keep() {
    const at = busy;
    await at;
    try {
      await rest();
      const view = await shownBy(viewer, tableName);
      if (at !== busy) return keep(); // something else is shown by now
      if (canonical(view) === applied) return;
      shared = false;
      mine.changed[current] = view;
      took(view);
      remember();
    } catch {
      return; // It is not drawn, and will not be.
    }
  }

  function button(name, index) {
    const title = `${name}: key ${index + 1}`;
    const element = Object.assign(document.createElement("button"), { value: name, title });
    element.append(Object.assign(document.createElement("kbd"), { textContent: index + 1 }), name);
    element.setAttribute("aria-keyshortcuts", index + 1);
    element.addEventListener("click", () => open(name));
    return element;
  }

  const buttons = () => nav.replaceChildren(...all().map(button));
  buttons();
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal });
  on(document, "keydown", (event) => {
    const at = event.composedPath()[0];
    const typing = at.isContentEditable || /^(input|textarea|select)$/i.test(at.tagName);
    const name = all()[event.key - 1];
    if (name && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) open(name);
  });
  on(narrow, "change", reshow);
  on(resetButton, "click", () => {
    delete mine.changed[current];
    shared = false;
    remember();
    open(current);
  });
  shareButton.disabled = false;
  on(shareButton, "click", async () => {
    const view = isMade() ? null : await shownBy(viewer, tableName);
    const copied = await share({ name: current, view, selection: selection.filters, ...link });
    note(copied ? "The link to this view is copied." : "The address bar has the link to this view.");
  });
  // Of a divider that is dragged the viewer tells nothing, and it takes its time, on a busy machine much of it.
  const pauses = {
    "perspective-config-update": [200],
    "perspective-layout-update": [200],
    pointerup: [600, 2000],
  };
  function keepAfter(pause, ...more) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      keeping = keep();
      if (more.length) keepAfter(...more);
    }, pause);
  }
  for (const [type, pause] of Object.entries(pauses)) on(viewer, type, () => keepAfter(...pause));

  async function leave() {
    leaving.abort();
    selection.leave();
    own.leave();
    clearTimeout(timer);
    await busy;
    await keeping;
    if (timer !== null) await keep();
  }

  const first = [(begin ?? mine).name, mine.current].find((known) => all().includes(known)) ?? names[0];
  const kept = begin?.whose === "in the link" ? null : mine.changed[first];
  const ready = select(first, begin?.view ?? kept, ...(begin?.view ? [begin.whose, begin.made] : ["that you kept"]));
  return {
    ready,
    leave,
    settled: () => busy,
    get shown() {
      return shown;
    },
    get selected() {
      return selection.filters;
    },
  };
}
