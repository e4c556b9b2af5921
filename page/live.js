/** Live: the newest rows, of which the page has a replica, and their ready-made views. */

import { withDashboard } from "./dashboards.js";
import { replica, wantedTable } from "./live_table.js";
import { still } from "./motion.js";
import { note } from "./note.js";
import { server, serverNow } from "./status.js";
import { valuesIn } from "./values.js";
import { clock, columnsToDraw, date, free, isMidnight, UP_AND_DOWN } from "./views.js";
import { drawn } from "./webgl.js";

/** The replica of now as `offerViews()` shows it; limit and columns are those of the server's table. */
export function liveTable({ limit, columns }) {
  const { table: of, tags, renamed } = server.status;
  const others = Object.entries(renamed).map(([name, shown]) => `${name} as ${shown}`);
  if (others.length) note(`Perspective takes some names for its own: the table's ${others.join(", ")} is shown.`);
  return {
    ...{ of, full: of, columns },
    names: drawn(liveViews(columns, tags)),
    make: async (name) => liveViews(columns, tags, await factsOf(replica(), columns, tags), still.matches)[name],
    tableName: () => replica().get_name(),
    about: ({ plugin }) => `the newest ${limit.toLocaleString("en")} rows${plugin === "Candlestick" ? UP_AND_DOWN : ""}`,
    pickable: columnsToDraw(columns, tags).texts,
    valuesOf: (column) => valuesIn(replica(), column),
  };
}

const AVERAGED = 10; // rows of a moving average
const LOOKED_AT = 5000; // rows, of more than which only the newest are looked at
const CHILDREN = 50; // lines that can be told apart where each has a chart of its own

/** What views depend on besides the columns, of a table of no rows. */
const NO_FACTS = { span: 0, dated: false, dates: [], crosses: true, children: 0, middle: null };

/**
 * The same of the rows in a table: how many milliseconds they `span`, whether not all are of today (`dated`), which
 * columns hold `dates` alone; whether the values of the first two groups occur with each other (`crosses`), how many
 * `children` a super table's rows are of, and what is in the `middle` of the colours, where all are near to it.
 */
export async function factsOf(table, columns, tags) {
  const { texts, times, child, colour } = columnsToDraw(columns, tags);
  const stamps = columns.filter(([, type]) => type === "datetime").map(([name]) => name);
  const looked = [...new Set([...times.slice(0, 1), ...stamps, ...texts.slice(0, 2), child, colour])];
  const view = await table.view({ columns: looked.filter((name) => name !== undefined) });
  const rows = await view.num_rows();
  const [first] = times.length ? (await view.to_columns({ start_row: 0, end_row: 1 }))[times[0]] ?? [] : [];
  const found = await view.to_columns({ start_row: Math.max(0, rows - LOOKED_AT), end_row: rows });
  await view.delete();
  const values = (name) => (found[name] ?? []).filter((value) => value !== null);
  const sorted = (name) => values(name).sort((one, other) => one - other);
  const at = sorted(times[0]);
  const different = (...names) => new Set((found[names[0]] ?? []).map((_, row) => JSON.stringify(names.map((name) => found[name][row])))).size;
  const colours = sorted(colour);
  const [low, high] = [colours[0], colours.at(-1)];
  const [one, other] = texts;
  return {
    span: at.length ? at.at(-1) - Math.min(first ?? at[0], at[0]) : 0,
    dated: at.some((time) => new Date(time).toDateString() !== new Date(serverNow()).toDateString()),
    dates: stamps.filter((name) => values(name).length && values(name).every(isMidnight)),
    crosses: !other || 2 * different(one, other) > different(one) * different(other),
    children: child ? different(child) : 0,
    middle: low < high && (low > (high - low) / 2 || high < (low - high) / 2) ? (low + high) / 2 : null,
  };
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
 * The ready-made views of a table whose rows are as `facts` tell: { name: view }, the first one that the page opens
 * with. Where the table has no such columns as a view is made of, that view is left out. `calm` leaves mere motion out.
 * (In Perspective 5.6.1 "high" and "low" keep what has left the table, and "last" of a total is any group's last.)
 */
export function liveViews(columns, tags, facts = NO_FACTS, calm = false) {
  const { texts, child, times, numbers, weight, level, size, colour, sums, prices } = columnsToDraw(columns, tags);
  const [time] = times;
  const named = time && !time.includes('"');
  const groups = texts.slice(0, 2);
  const lines = child && facts.children <= CHILDREN ? [child] : groups.slice(0, 1);
  const stamped = columns.some(([name, type]) => name === time && type === "datetime");
  const stamps = {
    ...(stamped && { [time]: clock(3, facts.dated) }),
    ...Object.fromEntries(facts.dates.map((name) => [name, date])),
  };
  const [moment, highest, lowest] = ["time", "highest", "lowest"].map((name) => free(name, columns));
  const average = free(`average of ${AVERAGED}`, columns);
  const found = {};

  if (groups.length) {
    const shown = [...(time ? [time] : []), ...numbers.slice(0, 8)];
    found.Grid = {
      group_by: groups,
      columns: shown.length ? shown : texts,
      aggregates: { ...sums, ...(time && { [time]: "max" }) },
      columns_config: {
        ...(time && stamps[time] && { [time]: stamps[time] }),
        ...(weight && { [weight]: { fg_mode: "label-bar", column_size_override: 150 } }),
        ...(level && !calm && { [level]: { bg_mode: "pulse", fg_mode: "disabled" } }),
      },
    };
  }
  if (named && prices) {
    const length = bucket(facts.span, 5);
    const all = '"open", "high", "low", "close"';
    found.Candles = {
      plugin: "Candlestick",
      group_by: [...groups.slice(0, 1), moment],
      columns: ["open", "close", highest, lowest],
      aggregates: { open: "first by index", close: "last by index", [highest]: "max", [lowest]: "min" },
      expressions: {
        [moment]: groups.length && length < 60000 ? minutes(time, length) : bucketed(time, length),
        [highest]: `max(${all})`,
        [lowest]: `min(${all})`,
      },
      plugin_config: { band_inner_frac: 0.8 },
    };
  }
  if (groups.length && size) {
    const shade = shaded(colour, facts.middle, columns);
    found.Treemap = {
      plugin: "Treemap",
      group_by: groups,
      columns: colour ? [size, shade.name] : [size],
      aggregates: { ...sums, ...(shade.name && { [shade.name]: sums[colour] }) },
      expressions: shade.expressions,
    };
  }
  if (groups.length === 2 && size && (facts.crosses || named)) {
    const length = bucket(facts.span, 20);
    const shade = weight ? { name: size, expressions: {} } : shaded(size, facts.middle, columns);
    found["Heat map"] = {
      plugin: "Heatmap",
      group_by: facts.crosses ? [groups[0]] : [moment],
      split_by: facts.crosses ? [groups[1]] : lines,
      columns: [shade.name],
      aggregates: { ...sums, [shade.name]: sums[size] },
      expressions: { ...shade.expressions, ...(!facts.crosses && { [moment]: bucketed(time, length) }) },
    };
  }
  if (named && numbers.length) {
    found.Lines = {
      plugin: "Y Line",
      group_by: [moment],
      split_by: lines,
      columns: groups.length ? [level ?? weight] : numbers.slice(0, 4),
      aggregates: sums,
      expressions: { [moment]: bucketed(time, bucket(facts.span, 20)) },
      columns_config: { [moment]: facts.span < 10000 ? clock(1) : {} },
      plugin_config: groups.length ? { facet_mode: "grid" } : {},
    };
  }
  if (found.Lines && level) {
    const order_by = [time, "asc"];
    found.Average = {
      ...found.Lines,
      columns: [level, average],
      windows: { [average]: { column: level, aggregate: "avg", partition_by: lines, order_by, rows: AVERAGED - 1 } },
      aggregates: { ...sums, [average]: "avg" },
    };
  }
  const latitude = numbers.find((name) => /^lat(itude)?$/i.test(name));
  const longitude = numbers.find((name) => /^(lon|lng|long|longitude)$/i.test(name));
  if (latitude && longitude) {
    const shown = [longitude, latitude, ...numbers.filter((name) => ![latitude, longitude].includes(name)).slice(0, 1)];
    found.Map = { plugin: "Map Scatter", columns: shown, split_by: lines };
  }
  found.Rows = {
    columns: columns.map(([name]) => name),
    sort: time ? [[time, "desc"]] : [],
    columns_config: stamps,
  };
  return withDashboard(found, columns, groups, tags);
}

/**
 * A number as it is coloured: less what is in the middle, where all are near to that. Perspective's colours begin at 0,
 * and 219 to 226 would be all of one.
 */
function shaded(column, middle, columns) {
  if (middle === null || column === undefined || column.includes('"')) return { name: column, expressions: {} };
  const round = Number(middle.toPrecision(3));
  const name = free(`${column} from ${round}`, columns);
  return { name, expressions: { [name]: `"${column}" - ${round}` } };
}
