/** The views of a table as the page offers them: a button and a key each, the visitor's changes kept, and links. */

/** What of a saved view is worth keeping: neither the theme, which is the visitor's, nor what the table is called. */
function kept(saved) {
  const { theme, table, title, version, settings, ...view } = saved;
  return view;
}

/** A view as text that is the same for the same view: Perspective saves its parts in any order. */
function canonical(view) {
  const sorted = (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.stringify(view, sorted);
}

/** What comes after `#view=` in a link to a view: its JSON in base64url. */
function toLink(shared) {
  const bytes = new TextEncoder().encode(JSON.stringify(shared));
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The other way round. Throws where the text is nothing that `toLink` made. */
function fromLink(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/**
 * Offer the ready-made views of `table`, whose columns are `columns`, and show the one that a link in the address asks
 * for, else the one that was shown last time, else the first. `views` is the module that makes them, `of` names the
 * table in the browser's `memory`, `settings` go into every view, and `note` tells the visitor something.
 */
export async function offerViews({ viewer, table, columns, of, settings, views, memory, theme, note }) {
  const key = `views of ${of}`;
  const names = views.views(columns, 0).map(({ name }) => name);
  const mine = { changed: {}, ...memory.get(key) };
  const [nav, reset, share] = ["nav", "#reset", "#share"].map((selector) => document.querySelector(selector));
  let [current, shared, applied, busy, timer] = [null, false, null, Promise.resolve(), null];

  function mark() {
    for (const button of nav.children) {
      button.setAttribute("aria-pressed", button.value === current);
      button.classList.toggle("changed", button.value in mine.changed || (shared && button.value === current));
    }
    reset.disabled = !shared && !(current in mine.changed);
    if (!shared && location.hash) history.replaceState(null, "", location.pathname);
  }

  function remember() {
    if (!shared) memory.set(key, { ...mine, current });
    mark();
  }

  async function apply(view) {
    const absent = views.missing(view, columns);
    if (absent.length) throw new Error(`the table has no ${absent.join(", ")}`);
    const { columns_config = {}, plugin_config = {} } = view;
    await viewer.restore({ ...views.BLANK, ...view, ...settings, theme: theme(), columns_config: null });
    if (Object.keys(columns_config).length) {
      await viewer.restore({ columns_config, plugin_config }); // only now are the columns known that it is about
    }
    applied = canonical(kept(await viewer.save()));
  }

  async function readyMade(name) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const made = views.views(columns, await views.span(table, columns), calm);
    return made.find((one) => one.name === name).config;
  }

  async function choose(name, view, whose) {
    [current, shared] = [name, whose === "in the link"];
    remember();
    try {
      if (view) await apply(view);
    } catch (error) {
      note(`The view ${whose} does not fit: ${error.message}. Here is the ready-made one.`);
      if (!shared) delete mine.changed[name];
      [view, shared] = [null, false];
    }
    if (!view) await apply(await readyMade(name));
    remember();
  }

  function select(...what) {
    nav.setAttribute("aria-busy", true);
    const turn = busy
      .then(() => choose(...what))
      .catch((error) => note(`This view cannot be shown: ${error.message}.`))
      .then(() => busy === turn && nav.setAttribute("aria-busy", false));
    return (busy = turn);
  }

  const open = (name) => select(name, mine.changed[name], "that you kept");

  function openLink() {
    let link = {};
    try {
      link = fromLink(location.hash.replace("#view=", ""));
    } catch {
      link = { view: {} };
    }
    return select(names.includes(link.name) ? link.name : names[0], link.view, "in the link");
  }

  /** Keep what the visitor has changed in the viewer, once it has come to rest. */
  async function keep() {
    await busy;
    const view = kept(await viewer.save());
    if (canonical(view) === applied) return;
    [applied, shared] = [canonical(view), false];
    mine.changed[current] = view;
    remember();
  }

  function button(name, index) {
    const title = `${name}: key ${index + 1}`;
    const element = Object.assign(document.createElement("button"), { value: name, title });
    element.append(Object.assign(document.createElement("kbd"), { textContent: index + 1 }), name);
    element.setAttribute("aria-keyshortcuts", index + 1);
    element.addEventListener("click", () => open(name));
    return element;
  }

  nav.replaceChildren(...names.map(button));
  document.addEventListener("keydown", (event) => {
    const at = event.composedPath()[0];
    const typing = at.isContentEditable || /^(input|textarea|select)$/i.test(at.tagName);
    const name = names[event.key - 1];
    if (name && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) open(name);
  });
  reset.addEventListener("click", () => {
    delete mine.changed[current];
    open(current);
  });
  share.disabled = false;
  share.addEventListener("click", async () => {
    history.replaceState(null, "", `#view=${toLink({ name: current, view: kept(await viewer.save()) })}`);
    const copied = await navigator.clipboard?.writeText(location.href).then(
      () => true,
      () => false,
    );
    note(copied ? "The link to this view is copied." : "The address bar has the link to this view.");
  });
  addEventListener("hashchange", () => location.hash.startsWith("#view=") && openLink());
  viewer.addEventListener("perspective-config-update", () => {
    clearTimeout(timer);
    timer = setTimeout(keep, 200);
  });
  if (location.hash.startsWith("#view=")) await openLink();
  else await open(names.includes(mine.current) ? mine.current : names[0]);
}
