/** Where the page is, Live or a table of History over a time range, and the way from one to the other and back. */

import { linked, name, placed } from "./address_bar.js";
import { offerExport } from "./export.js";
import { progress, showing } from "./head.js";
import { historyBar } from "./history_bar.js";
import { connectToHistory } from "./history_connection.js";
import { historyTable } from "./history.js";
import { calm } from "./motion.js";
import { note } from "./note.js";
import { askForViews } from "./own_views.js";
import { redraw } from "./panels.js";
import { isRange } from "./ranges.js";
import { server, serverNow } from "./status.js";
import { theme } from "./theme.js";
import { offerViews } from "./view_buttons.js";
import { seen, sleep } from "./waiting.js";

const [SOON, LATER] = [1000, 5000]; // milliseconds: when TDengine is asked again that is away
const EMPTY = "no rows in this time";

/** Whether an error says that nobody can be asked now, and not that a question is too much: where TDengine is away, none is. */
const isAway = (text) =>
  /^TDengine cannot be asked|: ask again$/.test(text) || (server.status.state !== "live" && text.startsWith("this took"));

/**
 * Let the visitor change between Live and History, its tables and its time ranges, and begin where the address
 * says.
 *
 * Of Live, `live.load()` gives the viewer its rows, and `live.restore(begin, named)` offers its views, as `offerViews()` does.
 */
export async function browse(viewer, live) {
  const views = askForViews();
  while (!server.status) await sleep(50);
  await views;
  viewer.classList.add("shown");
  progress("");
  calm(viewer);
  await viewer.resetThemes([theme()]);

  const [database] = server.status.table.split(".", 1);
  const ownTable = server.status.table.slice(database.length + 1);
  const mode = document.querySelector("#mode");
  const bar = historyBar(change, back, refresh);
  const shownAt = new Map(); // the views that were shown, by the place: Live or a table of History
  const keyOf = (at) => at?.table ?? null;
  /** Where the page is: null for Live, else { table, range }; and where it was when all was well. */
  let [at, good, last] = [null, { at: null }, { table: ownTable, range: "1h" }];
  let [offering, connection, turns, said, told] = [null, null, 0, "", ""]; // `told` until the visitor's next action
  let [wanted, stale, pause] = [null, "", SOON]; // the view that is wanted; that nobody can be asked; until it is asked again
  let [opened, refreshing, quiet, leaving] = [null, null, false, Promise.resolve()];

  // The viewer leaves the rejections of its own questions to nobody: what has been noted is no surprise.
  // And text that somebody types into its panel is taken for an expression, of which History has none.
  const noted = new Set(["given up", "the connection is lost", "history has no expressions"]);
  addEventListener("unhandledrejection", (event) => {
    const text = String(event.reason?.message ?? event.reason);
    if ([...noted].some((known) => text.includes(known))) event.preventDefault();
  });

  /** Connect to a place of History, however long it takes, unless something else is wanted meanwhile. */
  async function connected(to, turn) {
    for (let wait = 250; turn === turns; wait = Math.min(2 * wait, 5000)) {
      try {
        const asked = await connectToHistory(to.range, (text) => turn === turns && failed(text));
        return asked;
      } catch {
        stale = staleness("the server does not answer");
        await sleep(wait);
      }
    }
    return null;
  }

  async function openHistory(to, begin, turn) {
    connection = await connected(to, turn);
    if (connection === null) return;
    const { client, lost, drop } = connection;
    lost.catch(() => {
      drop("the connection is lost"); // or whoever waits for an answer would wait for ever
      if (turn === turns) again(to, begin);
    });
    const names = await client.get_hosted_table_names();
    bar.offer(names);
    if (!names.includes(to.table)) {
      note(`There is no table ${to.table} in ${database}. Here is what there is.`);
      return go(names.length ? { ...to, table: names.includes(ownTable) ? ownTable : names[0] } : null, null, null, false);
    }
    bar.draw(to);
    const asked = serverNow();
    const { size, ends, ...offered } = await historyTable(connection, to);
    if (turn !== turns) return;
    await viewer.eject(); // or it goes on with the table of the same name that it had
    await viewer.load(client);
    await viewer.resetThemes([theme()]);
    if (turn !== turns) return;
    offering = offerViews({ viewer, of: `history ${database}.${to.table}`, full: `${database}.${to.table}`, begin, named: naming(turn), ...offered });
    await offering.ready;
    if (turn !== turns) return;
    opened = { size, ends };
    [stale, pause] = ["", SOON];
    if (offering.shown) bar.asOf(to.range, asked, to.range === "all" ? await ends() : null);
    if ((await size()) === 0 && turn === turns) said = EMPTY;
  }

  /** Have the address name the view that is chosen, so that Back leads to the one before if the visitor chose both. */
  function naming(turn) {
    return (view) => {
      if (turn === turns) name(at && { ...at, view }, !quiet);
      quiet = false;
    };
  }

  async function openLive(begin, turn) {
    await viewer.eject();
    await live.load();
    await viewer.resetThemes([theme()]);
    if (turn !== turns) return;
    offering = live.restore(begin, naming(turn));
    await offering.ready;
  }

  /**
   * Go to a place, and there to the view that `begin` names, else to the one that was shown there. Whatever is being
   * asked is given up; what was shown is remembered, to go back to if it cannot be shown, unless that is `otherwise`.
   * Unless `byHand`, the visitor has not chosen it now, and Back need not lead to what was shown before.
   */
  async function go(to, begin = null, otherwise = null, byHand = true) {
    const turn = ++turns;
    quiet = !byHand;
    [said, told] = ["", ""];
    document.querySelector("nav").setAttribute("aria-busy", true);
    const [left, from] = [offering, at];
    offering = null;
    const [old, idle] = [connection, connection?.asking == null];
    connection = null;
    if (!idle) old.drop("given up");
    await (leaving = leaving.then(() => left?.leave()));
    if (left?.shown) {
      shownAt.set(keyOf(from), left.shown);
      good = { at: from, shown: left.shown };
    }
    good = otherwise ?? good;
    if (turn !== turns) return old?.drop("given up");
    at = to;
    last = to ?? last;
    draw();
    begin ??= shownAt.get(keyOf(to)) ?? null;
    wanted = begin;
    if (to === null) stale = "";
    try {
      await (to === null ? openLive(begin, turn) : openHistory(to, begin, turn));
    } catch (error) {
      if (turn === turns) to === null ? note(error.message) : failed(error.message);
    } finally {
      old?.drop("given up"); // only now, because the viewer has its old view deleted there
    }
  }

  /** What is said while nobody can be asked: what is on the screen stays there. */
  const staleness = (why) => `stale: ${why}, trying again …`;

  /** Ask anew after the connection was lost. */
  function again(to, begin) {
    stale = staleness("the server does not answer");
    connection?.drop("the connection is lost");
    go(to, offering?.shown ?? begin, null, false);
  }

  /** Show again what was shown before that which cannot be; in the end that is Live. */
  function back() {
    const to = offering?.shown ? { at, shown: offering.shown } : good;
    return go(to.at, to.shown, { at: null, shown: shownAt.get(null) }, false);
  }

  function failed(error) {
    const text = error.replace(/^Abort\(\): /, "");
    noted.add(text);
    if (isAway(text)) return wait(text);
    stale = "";
    note(text.replace(/^./, (letter) => letter.toUpperCase()));
    connection?.drop(text);
    back();
  }

  /** Leave what is on the screen as it is, and ask again in a while, unless something else is wanted by then. */
  async function wait(text) {
    const [turn, begin] = [++turns, offering?.shown ?? wanted];
    stale = staleness("TDengine does not answer");
    connection?.drop(text);
    await sleep(pause);
    await seen();
    pause = Math.min(2 * pause, LATER);
    if (turn === turns) go(at, begin, null, false);
  }

  /** Go to what the visitor chooses of the bar. The range that is shown already is asked about anew, until now. */
  async function change(to) {
    if (to.range !== at.range || !offering?.shown) return go({ ...at, ...to });
    if (await refresh()) told = `renewed at ${new Date().toLocaleTimeString()}`;
  }

  /** What an export is of: the rows of what is shown, all columns where that has groups instead. */
  async function exported() {
    if (at === null || !offering?.shown) return null;
    const { columns, filter: own, sort, group_by } = await viewer.save();
    const filter = [...own, ...offering.selected];
    const rows = { columns: columns.filter((name) => name !== null), filter, sort };
    return { ...at, view: group_by.length ? { filter } : rows };
  }

  /** Ask anew for what is shown, which stays where it is. Whether that is shown; once at a time. */
  function refresh() {
    refreshing ??= askAnew().finally(() => (refreshing = null));
    return refreshing;
  }

  async function askAnew() {
    const [turn, asked] = [turns, connection];
    try {
      await offering.settled();
      const now = serverNow();
      if (turn !== turns || !offering?.shown || !(await asked.renew())) return false;
      await redraw(viewer);
      if (turn !== turns) return false;
      bar.asOf(at.range, now, at.range === "all" ? await opened.ends() : null);
      said = (await opened.size()) === 0 ? EMPTY : "";
      return true;
    } catch {
      return false; // it has been given up, or the connection has told why not
    }
  }

  function draw() {
    for (const each of mode.children) each.setAttribute("aria-pressed", (each.value === "history") === (at !== null));
    bar.draw(at);
    showing(at && `${database}.${at.table}`);
  }

  /** A place that came from outside, with another time range where that is none; null where it is Live. */
  function placeOf(named) {
    const { table, range } = named ?? {};
    if (typeof table !== "string") return null;
    if (isRange(range)) return { table, range };
    note("The link names no time range that there is. Here is the last hour.");
    return { table, range: "1h" };
  }

  /** Where the address leads; the view that it asks for goes with it. */
  function start() {
    const [link, place] = [linked(), placed()];
    const begin = link ? { ...link, whose: "in the link" } : place && { name: place.view };
    return go(placeOf(link ? link.history : place), begin, null, false);
  }

  for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => (told = ""), true);
  offerExport(exported);
  mode.addEventListener("click", ({ target }) => {
    if (target.value === "live" && at !== null) go(null);
    if (target.value === "history" && at === null) go(last);
  });
  addEventListener("hashchange", start);
  mode.querySelector("[value=history]").disabled = false;
  setInterval(() => bar.tell(stale ? null : (connection?.asking ?? null), stale || told || said), 100);
  return start();
}
