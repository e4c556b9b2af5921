/** History: whole tables, of which TDengine is asked for what is on the screen, and their ready-made views. */

import { withDashboard } from "./dashboards.js";
import { changed } from "./panels.js";
import { fits, lengthOf, titleOf, UNITS, unitOf } from "./ranges.js";
import { columnsOf } from "./replication.js";
import { inWords } from "./selection.js";
import { firstRows, valuesIn } from "./values.js";
import { clock, columnsToDraw, UP_AND_DOWN } from "./views.js";
import { drawn } from "./webgl.js";

/** What a table of History has besides its own columns: its time, cut to the unit. */
const by = (time, unit) => `${time} by ${unit}`;
const TIMED = ["Dashboard", "Candles", "Lines"]; // the views that cut time
const LINES = 13; // that are told apart
const MOST_DRAWN = 20_000; // rows of one answer of history (history/limits.py)
const LONG = 7 * 864e5; // milliseconds: of a longer range, rows may fill but a part

/** A table of History over a time range, { database, table, range }, as `offerViews()` shows it, asked over a connection. */
export async function historyTable(asked, to) {
  const table = await asked.client.open_table(to.table);
  const columns = await columnsOf(table);
  const split = ownColumns(columns);
  const { texts } = columnsToDraw(split.own);
  let [grouped, known] = [null, null];
  const ends = () => (known ??= endsIn(table, split.time));
  const length = async () => (lengthOf(to.range) > LONG ? await ends().then(([from, to]) => to - from) : lengthOf(to.range));
  const make = async (name, filters) => {
    if (name === "Rows") return historyViews(split).Rows;
    const unit = TIMED.includes(name) ? unitOf(await length()) : undefined;
    grouped ??= await groupsOf(asked, table, split.own);
    const free = grouped.length && !filters.some(([column]) => column === grouped[0]);
    const values = free && TIMED.includes(name) ? await someOf(table, split.time, grouped[0]) : [];
    return historyViews(split, unit, grouped, values)[name] ?? historyViews(split).Rows;
  };
  return {
    ...{ columns, make },
    names: drawn(historyViews(split, undefined, texts.slice(0, 2))),
    fit: (view, made) => changed(view, (config) => fitted(config, made, split.time, length)),
    tableName: async () => to.table,
    about: (config) => aboutRows(config, to, split.time),
    pickable: texts,
    valuesOf: (column) => valuesIn(table, column),
    size: () => table.size(),
    ends,
    link: { history: to },
    rest: asked.rest,
    remote: true,
  };
}

/** What the title of a panel says of its rows: which are filtered, of which table and range, and how time is cut. */
function aboutRows({ plugin = "Datagrid", filter = [], group_by = [], title }, { table, range }, time) {
  const unit = UNITS.find((each) => group_by.includes(by(time, each)));
  const filtered = filter.filter(([, op]) => ["==", "in"].includes(op)).map(inWords);
  const rows = title ? titleOf(range) : `${table}: ${titleOf(range)}`;
  const zone = ["hour", "6 hours", "day"].includes(unit) ? " of TDengine's zone" : "";
  const cut = plugin === "Datagrid" || group_by.length ? "" : `, at most the newest ${MOST_DRAWN.toLocaleString("en")}`;
  const colours = plugin === "Candlestick" ? UP_AND_DOWN : "";
  return [...filtered, rows + (unit ? ` by ${unit}${zone}` : "") + cut].join(", ") + colours;
}

/** The times of the first row and the last. */
async function endsIn(table, time) {
  const ends = [];
  for (const order of ["asc", "desc"]) {
    ends.push((await firstRows(table, { columns: [time], sort: [[time, order]] }, 1))[time][0] ?? 0);
  }
  return ends;
}

/** A panel that may be of another time range: cut as a ready-made one is, or if it is the visitor's, if it has to be. */
async function fitted(view, made, time, length) {
  const cut = (name) => UNITS.find((unit) => name === by(time, unit));
  if (!view.group_by?.some(cut)) return view;
  const milliseconds = await length();
  const fit = (name) => (cut(name) && (made || !fits(cut(name), milliseconds)) ? by(time, unitOf(milliseconds)) : name);
  return { ...view, group_by: view.group_by.map(fit) };
}

/** The values of the column that the newest rows have, in the order of the alphabet, so that they are mostly the same. */
async function someOf(table, time, column) {
  const { [column]: found } = await firstRows(table, { columns: [column], sort: [[time, "desc"]] }, 1000);
  return [...new Set(found)].filter((value) => value !== null).sort();
}

/** The first two text columns that TDengine can group by: of some it cannot, JSON say. */
async function groupsOf(asked, table, own) {
  const found = [];
  asked.hushed = true;
  for (const [name, type] of own) {
    if (type !== "string" || found.length === 2) continue;
    try {
      await (await table.view({ group_by: [name], columns: [own[0][0]] })).delete();
      found.push(name);
    } catch {}
  }
  asked.hushed = false;
  return found;
}

/** A table's own columns in a sensible order, its time, texts, numbers, others; and the name of that time. */
function ownColumns(columns) {
  const time = columns.find(([name]) => columns.some(([other]) => other === by(name, "second")))?.[0];
  const own = columns.filter(([name]) => !UNITS.some((unit) => name === by(time, unit)));
  const ranks = { string: 1, integer: 2, float: 2 };
  const rank = ([name, type]) => (name === time ? 0 : (ranks[type] ?? 3));
  return { time, own: [...own].sort((one, other) => rank(one) - rank(other)) };
}

/**
 * The ready-made views of a whole table, as `liveViews()`, of what TDengine can compute: no expressions.
 * `own` are its columns, and `time` names the one that is its time. `unit` is what time is cut to ("minute"); `groups`
 * are those of its text columns that it can be grouped by, and `values` are some of the first of them, where none of it
 * is selected: candles are drawn of one, lines of as many as can be told apart.
 */
function historyViews({ time, own }, unit, groups = [], values = []) {
  const { texts, numbers, weight, level, size, colour, sums, prices } = columnsToDraw(own);
  const only = (count) => (values.length > count ? [[groups[0], "in", values.slice(0, count)]] : []);
  const found = {};

  found.Rows = {
    columns: own.map(([name]) => name),
    sort: [[time, "desc"]],
    columns_config: { [time]: clock(3, true) },
  };
  if (texts.length) {
    const columns = [...numbers.slice(0, 8), time];
    found.Pivot = { group_by: groups, columns, aggregates: { ...sums, [time]: "last" } };
  }
  if (prices) {
    found.Candles = {
      plugin: "Candlestick",
      group_by: [by(time, unit)],
      columns: ["open", "close", "high", "low"],
      aggregates: { open: "first", close: "last", high: "max", low: "min" },
      filter: only(1),
    };
  }
  if (texts.length && size) {
    const columns = colour ? [size, colour] : [size];
    found.Treemap = { plugin: "Treemap", group_by: groups, columns, aggregates: sums };
  }
  if (numbers.length) {
    const columns = [level ?? weight];
    const split_by = groups.slice(0, 1);
    found.Lines = { plugin: "Y Line", group_by: [by(time, unit)], split_by, columns, aggregates: sums, filter: only(LINES) };
  }
  return withDashboard(found, own, groups);
}
