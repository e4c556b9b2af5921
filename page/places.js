/** Where the page is, a table live or of History, and the way from one place to the other and back. */

import { isOverview, linked, name, placed } from "./address_bar.js";
import { offerExport } from "./export.js";
import { progress, showing } from "./head.js";
import { historyBar } from "./history_bar.js";
import { connectToHistory } from "./history_connection.js";
import { historyTable } from "./history.js";
import { liveTable } from "./live.js";
import { live, tidy, want } from "./live_table.js";
import { calm } from "./motion.js";
import { note } from "./note.js";
import { overview } from "./overview.js";
import { askForViews } from "./own_views.js";
import { redraw } from "./panels.js";
import { isHistory, placesOf } from "./place.js";
import { askStatus, server, serverNow } from "./status.js";
import { offered, tableList } from "./table_list.js";
import { theme } from "./theme.js";
import { offerViews } from "./view_buttons.js";
import { seen, sleep } from "./waiting.js";

const [SOON, LATER] = [1000, 5000]; // milliseconds: when TDengine is asked again that is away
const EMPTY = "no rows in this time";

/** Whether an error says that nobody can be asked now, and not that a question is too much: where TDengine is away, none is. */
const isAway = (text) =>
  /^TDengine cannot be asked|: ask again$/.test(text) || (server.status.state !== "live" && text.startsWith("this took"));

const views = askForViews();

/**
 * Let the visitor go from place to place, and begin where the address says. `starting` resolves to the engine that has
 * the replicas of live tables.
 */
export async function browse(viewer, starting) {
  while (!server.status) await sleep(20);
  const { own, fullName, short, liveOf, placeOf, keyOf, hrefOf } = placesOf(server.first);
  const mode = document.querySelector("#mode");
  const bar = historyBar(change, back, refresh);
  tableList(document.querySelector("#table"), (table) => hrefOf(moved(table)), (table) => go(moved(table)));
  const all = overview(document.querySelector("#overview"), hrefOf);
  const shownAt = new Map(); // the views that were shown, by the place: a table, live or of History
  /** Where the page is, and where it was when all was well; the range of History that was shown last. */
  let [at, good, range] = [null, { at: null }, "1h"];
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

  /** Have the viewer show something, for the first time if it was only waited for. */
  async function load(source) {
    await views;
    if (!viewer.classList.contains("shown")) {
      viewer.classList.add("shown");
      progress("");
      calm(viewer);
    } else await viewer.eject(); // or it goes on with the table of the same name that it had
    await viewer.load(source);
    await viewer.resetThemes([theme()]);
  }

  /** Connect to a place of History, however long it takes, unless something else is wanted meanwhile. */
  async function connected(to, turn) {
    if (to.database !== own.database) {
      const { databases } = await offered();
      if (!databases.includes(to.database)) throw new Error(`There is no database ${to.database}, or it is not offered here`);
    }
    for (let wait = 250; turn === turns; wait = Math.min(2 * wait, 5000)) {
      try {
        const asked = await connectToHistory(to, (text) => turn === turns && failed(text));
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
    if (!names.includes(to.table)) {
      note(`There is no table ${to.table} in ${to.database}. Here is what there is.`);
      return go(names.length ? { ...to, table: names.includes(own.table) ? own.table : names[0] } : null, null, null, false);
    }
    bar.draw(to);
    const asked = serverNow();
    const { size, ends, ...shown } = await historyTable(connection, to);
    if (turn !== turns) return;
    await load(client);
    if (turn !== turns) return;
    const full = fullName(to);
    offering = offerViews({ viewer, of: `history ${full}`, full, begin, named: naming(turn), ...shown });
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
      if (turn === turns && !isOverview()) name(short(at && { ...at, view }), !quiet);
      quiet = false;
    };
  }

  async function openLive(to, begin, turn) {
    await want(to && fullName(to));
    while (turn === turns && !server.known) await askStatus().catch(() => sleep(100));
    if (turn !== turns) return;
    await load(await starting);
    if (turn !== turns) return;
    const link = to ? { live: to } : {};
    offering = offerViews({ viewer, begin, named: naming(turn), link, ...liveTable(live.here) });
    await offering.ready;
    tidy();
  }

  /**
   * Go to a place, and there to the view that `begin` names, else to the one that was shown there. Whatever is being
   * asked is given up; what was shown is remembered, to go back to if it cannot be shown, unless that is `otherwise`.
   * Unless `byHand`, the visitor has not chosen it now, and Back need not lead to what was shown before.
   */
  async function go(to, begin = null, otherwise = null, byHand = true) {
    const turn = ++turns;
    quiet = !byHand || isOverview();
    if (byHand && isOverview()) name(short(to), true);
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
    range = to?.range ?? range;
    draw();
    begin ??= shownAt.get(keyOf(to)) ?? null;
    wanted = begin;
    if (!isHistory(to)) stale = "";
    try {
      await (isHistory(to) ? openHistory(to, begin, turn) : openLive(to, begin, turn));
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
    return go(to.at, to.shown, { at: null, shown: shownAt.get(keyOf(null)) }, false);
  }

  function failed(error) {
    const text = error.replace(/^Abort\(\): /, "");
    noted.add(text);
    if (isHistory(at) && isAway(text)) return wait(text);
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

  /** Go to the range that the visitor chooses. The one that is shown already is asked about anew, until now. */
  async function change(chosen) {
    if (chosen !== at.range || !offering?.shown) return go({ ...at, range: chosen });
    if (await refresh()) told = `renewed at ${new Date().toLocaleTimeString()}`;
  }

  /** What an export is of: the rows of what is shown, all columns where that has groups instead. */
  async function exported() {
    if (!isHistory(at) || !offering?.shown) return null;
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
    const shown = isOverview() ? "tables" : isHistory(at) ? "history" : "live";
    for (const each of mode.children) each.setAttribute("aria-pressed", each.value === shown);
    all.show(isOverview());
    viewer.inert = isOverview();
    bar.draw(isHistory(at) ? at : null);
    showing(isHistory(at) ? fullName(at) : null);
  }

  /** The place of now, of another table. */
  function moved(table) {
    return isHistory(at) ? { ...table, range: at.range } : liveOf(table);
  }

  /** Where the address leads; the view that it asks for goes with it. What is shown goes on behind all tables. */
  function start() {
    if (isOverview() && turns) return draw();
    const [link, place] = [linked(), placed()];
    const begin = link ? { ...link, whose: "in the link" } : place?.view ? { name: place.view } : null;
    return go(placeOf(link ? (link.history ?? link.live) : place), begin, null, false);
  }

  /** Go where a button of the head leads. */
  function enter(value) {
    if (value === "tables") location.hash = "#tables";
    else if (isOverview() || value !== (isHistory(at) ? "history" : "live")) {
      go(value === "live" ? at && liveOf(at) : { ...(at ?? own), range });
    }
  }

  for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => (told = ""), true);
  offerExport(exported);
  mode.addEventListener("click", ({ target }) => target.value && enter(target.value));
  addEventListener("hashchange", start);
  for (const each of mode.children) each.disabled = false;
  setInterval(() => document.hidden || bar.tell(stale ? null : (connection?.asking ?? null), stale || told || said), 100);
  return start();
}
