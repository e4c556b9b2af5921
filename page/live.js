/** Live: the newest rows, of which the page has a replica, and their ready-made views. */

import { withDashboard } from "./dashboards.js";
import { still } from "./motion.js";
import { server } from "./status.js";
import { valuesIn } from "./values.js";
import { clock, columnsToDraw } from "./views.js";
import { drawn } from "./webgl.js";

/** The replica of now as `offerViews()` shows it; limit and columns are those of the server's table. */
export function liveTable(replica, { limit, columns }) {
  return {
    of: server.status.table,
    full: server.status.table,
    columns,
    names: drawn(liveViews(columns, 0)),
    make: async (name) => liveViews(columns, await span(replica(), columns), still.matches)[name],
    tableName: () => replica().get_name(),
    about: () => `the newest ${limit.toLocaleString("en")} rows`,
    pickable: columnsToDraw(columns).texts,
    valuesOf: (column) => valuesIn(replica(), column),
  };
}

const AVERAGED = 10; // rows of a moving average

/** How many milliseconds lie between the first and the last time in a table. */
export async function span(table, columns) {
  const [time] = columnsToDraw(columns).times;
  if (time === undefined) return 0;
  const view = await table.view({ columns: [time] });
  const times = (await view.to_columns())[time].filter((value) => value !== null).sort((one, other) => one - other);
  await view.delete();
  return times.length ? times.at(-1) - times[0] : 0;
}

/** The length of a bucket, in milliseconds and round, of which about `count` make up `span` milliseconds. */
function bucket(span, count) {
  const rounds = [1, 2, 5, 10, 15, 30, 60, 300, 900, 1800, 3600, 21600, 86400].map((seconds) => seconds * 1000);
  return [1, 2, 5, 10, 20, 50, 100, 200, 500, ...rounds].find((length) => length * count >= span) ?? 604800000;
}

/** The begin of the bucket of a time. (No expression can name a column that has a quote in its name.) */
const bucketed = (time, length) => `datetime(bucket(float("${time}"), ${length}))`;

/**
 * A bucket's minutes and seconds as text, for an axis of several levels, which shows a time as its date.
 * Text that Perspective has computed is kept for ever: no more than an hour's different ones, then.
 */
function minutes(time, length) {
  const digits = (what) => `substring(string(integer(100 + ${what})), 1, 2)`;
  const part = length < 1000 ? `, '.', string(integer(floor((t % 1000) / 100)))` : "";
  return [
    `var t := bucket(float("${time}"), ${Math.max(length, 100)});`,
    `concat(${digits("floor(t / 60000) % 60")}, ':', ${digits("floor(t / 1000) % 60")}${part})`,
  ].join("\n");
}

/**
 * The ready-made views of a table that holds rows of `span` milliseconds: { name: view }, the first one that the page opens with.
 * Where the table has no such columns as a view is made of, that view is left out. `calm` leaves mere motion out.
 * (In Perspective 5.6.1 "high" and "low" keep what has left the table, and "last" of a total is any group's last.)
 */
export function liveViews(columns, span, calm = false) {
  const { texts, times, numbers, weight, level, size, colour, sums, prices } = columnsToDraw(columns);
  const [time] = times;
  const named = time && !time.includes('"');
  const groups = texts.slice(0, 2);
  const average = `average of ${AVERAGED}`;
  const moment = ["time", "bucket", "time bucket"].find((name) => !columns.some(([known]) => known === name));
  const found = {};

  if (groups.length) {
    const shown = [...(time ? [time] : []), ...numbers.slice(0, 8)];
    found.Grid = {
      group_by: groups,
      columns: shown.length ? shown : texts,
      aggregates: { ...sums, ...(time && { [time]: "max" }) },
      columns_config: {
        ...(time && { [time]: clock(3) }),
        ...(weight && { [weight]: { fg_mode: "label-bar", column_size_override: 150 } }),
        ...(level && !calm && { [level]: { bg_mode: "pulse", fg_mode: "disabled" } }),
      },
    };
  }
  if (named && prices) {
    const length = bucket(span, 5);
    const all = '"open", "high", "low", "close"';
    found.Candles = {
      plugin: "Candlestick",
      group_by: [...groups.slice(0, 1), moment],
      columns: ["open", "close", "highest", "lowest"],
      aggregates: { open: "first by index", close: "last by index", highest: "max", lowest: "min" },
      expressions: {
        [moment]: groups.length && length < 60000 ? minutes(time, length) : bucketed(time, length),
        highest: `max(${all})`,
        lowest: `min(${all})`,
      },
      plugin_config: { band_inner_frac: 0.8 },
    };
  }
  if (groups.length && size) {
    const columns = colour ? [size, colour] : [size];
    found.Treemap = { plugin: "Treemap", group_by: groups, columns, aggregates: sums };
  }
  if (groups.length === 2 && size) {
    const [group_by, split_by] = [[groups[0]], [groups[1]]];
    found["Heat map"] = { plugin: "Heatmap", group_by, split_by, columns: [size], aggregates: sums };
  }
  if (named && numbers.length) {
    found.Lines = {
      plugin: "Y Line",
      group_by: [moment],
      split_by: groups.slice(0, 1),
      columns: groups.length ? [level ?? weight] : numbers.slice(0, 4),
      aggregates: sums,
      expressions: { [moment]: bucketed(time, bucket(span, 20)) },
      columns_config: { [moment]: span < 10000 ? clock(1) : {} },
      plugin_config: groups.length ? { facet_mode: "grid" } : {},
    };
  }
  if (found.Lines && level) {
    found.Average = {
      ...found.Lines,
      columns: [level, average],
      windows: { [average]: { column: level, aggregate: "avg", partition_by: groups.slice(0, 1), order_by: [time, "asc"], rows: AVERAGED - 1 } },
      aggregates: { ...sums, [average]: "avg" },
    };
  }
  const stamp = columns.find(([, type]) => type === "datetime")?.[0];
  found.Rows = {
    columns: columns.map(([name]) => name),
    sort: time ? [[time, "desc"]] : [],
    columns_config: stamp === undefined ? {} : { [stamp]: clock(3) },
  };
  return withDashboard(found, columns, groups);
}
