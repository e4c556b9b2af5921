/** History: whole tables, of which TDengine is asked for what is on the screen, and their ready-made views. */

import { fits, lengthOf, titleOf, UNITS, unitOf } from "./ranges.js";
import { columnsOf } from "./replication.js";
import { BLANK, clock, columnsToDraw } from "./views.js";

/** What a table of History has besides its own columns: its time, cut to the unit. */
const by = (time, unit) => `${time} by ${unit}`;
const LONG = 7 * 864e5; // milliseconds: of a longer range, rows may fill but a part

/** A table of History over a time range, { table, range }, as `offerViews()` shows it, asked over a connection. */
export async function historyTable(asked, to) {
  const table = await asked.client.open_table(to.table);
  const columns = await columnsOf(table);
  const split = ownColumns(columns);
  let [grouped, long] = [null, null];
  const length = async () => (lengthOf(to.range) > LONG ? (long ??= spanOf(table, split.time)) : lengthOf(to.range));
  const make = async (name) => {
    if (name === "Rows") return historyViews(split)[0].config;
    const unit = ["Candles", "Lines"].includes(name) ? unitOf(await length()) : undefined;
    grouped ??= await groupsOf(asked, table, split.own);
    const one =
      grouped.length && ["Candles", "Lines"].includes(name) ? await oneOf(table, split.time, grouped[0]) : null;
    return historyViews(split, unit, grouped, one).find((made) => made.name === name).config;
  };
  return {
    table,
    columns,
    names: historyViews(split).map((made) => made.name),
    make,
    fit: (view, made) => fitted(view, made, split.time, length),
    settings: { table: to.table, title: `${to.table}: ${titleOf(to.range)}` },
    link: { history: to },
    rest: asked.rest,
    remote: true,
  };
}

/** How many milliseconds lie between the first row and the last. */
async function spanOf(table, time) {
  const ends = [];
  for (const order of ["asc", "desc"]) {
    const view = await table.view({ columns: [time], sort: [[time, order]] });
    ends.push((await view.to_columns({ start_row: 0, end_row: 1 }))[time][0] ?? 0);
    await view.delete();
  }
  return ends[1] - ends[0];
}

/** A view that may be of another time range: cut as a ready-made one is, or if it is the visitor's, if it has to be. */
async function fitted(view, made, time, length) {
  const cut = (name) => UNITS.find((unit) => name === by(time, unit));
  if (!view.group_by?.some(cut)) return view;
  const milliseconds = await length();
  const fit = (name) => (cut(name) && (made || !fits(cut(name), milliseconds)) ? by(time, unitOf(milliseconds)) : name);
  return { ...view, group_by: view.group_by.map(fit) };
}

/** A value of the column, among those of the newest rows: the first in the alphabet, so that it is mostly the same. */
async function oneOf(table, time, column) {
  const view = await table.view({ columns: [column], sort: [[time, "desc"]] });
  const found = (await view.to_columns({ start_row: 0, end_row: 200 }))[column];
  await view.delete();
  return found.filter((value) => value !== null).sort()[0] ?? null;
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
 * The ready-made views of a whole table, as `liveViews()`, of what TDengine can compute: no expressions, no split.
 * `own` are its columns, and `time` names the one that is its time. `unit` is what time is cut to ("minute"); `groups`
 * are those of its text columns that it can be grouped by, and `one` is a value of the first of them.
 */
function historyViews({ time, own }, unit, groups = [], one = null) {
  const { texts, numbers, weight, level, size, colour, sums, prices } = columnsToDraw(own);
  const only = one === null ? [] : [[groups[0], "==", one]];
  const found = [];
  const add = (name, config) => found.push({ name, config: { ...BLANK, ...config } });

  add("Rows", {
    columns: own.map(([name]) => name),
    sort: [[time, "desc"]],
    columns_config: { [time]: clock(3, true) },
  });
  if (texts.length) {
    const columns = [...numbers.slice(0, 8), time];
    add("Pivot", { group_by: groups, columns, aggregates: { ...sums, [time]: "last" } });
  }
  if (prices) {
    add("Candles", {
      plugin: "Candlestick",
      group_by: [by(time, unit)],
      columns: ["open", "close", "high", "low"],
      aggregates: { open: "first", close: "last", high: "max", low: "min" },
      filter: only,
    });
  }
  if (texts.length && size) {
    const columns = colour ? [size, colour] : [size];
    add("Treemap", { plugin: "Treemap", group_by: groups, columns, aggregates: sums });
  }
  if (numbers.length) {
    const columns = [level ?? weight];
    add("Lines", { plugin: "Y Line", group_by: [by(time, unit)], columns, aggregates: sums, filter: only });
  }
  return found;
}
