/**
 * The page's ready-made views, derived from a table's columns: [[name, type], ...] in their order, types as Perspective
 * names them. A view is what `viewer.restore()` takes.
 */

const NUMBER = ["integer", "float"];
const TIME = ["datetime", "date"];
const TOTALLED = /^(volume|amount|count|quantity|qty|size|total)$/i;

/** All that a view may set: one that is restored begins with these, or it would keep parts of the one before. */
export const BLANK = {
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

const NO_DATE = { year: "disabled", month: "disabled", day: "disabled" };

/** A time to the millisecond or so, of day or with the date; Perspective's own format ends with the second. */
const clock = (fraction, date = false) => ({
  date_format: {
    format: "custom",
    ...(date ? { year: "numeric", month: "2-digit", day: "2-digit" } : NO_DATE),
    hour12: false,
    ...{ hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: fraction },
  },
});

/** The length of a bucket, in milliseconds and round, of which about `count` make up `span` milliseconds. */
export function bucket(span, count) {
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
 * The ready-made views of a table that holds rows of `span` milliseconds: [{ name, config }], the default one first.
 * Where the table has no such columns as a view is made of, that view is left out. `calm` leaves mere motion out.
 * (In Perspective 5.6.1 "high" and "low" keep what has left the table, and "last" of a total is any group's last.)
 */
export function views(columns, span, calm = false) {
  const of = (types) => columns.filter(([, type]) => types.includes(type)).map(([name]) => name);
  const [texts, numbers, [time]] = [of(["string"]), of(NUMBER), of(TIME)];
  const named = time && !time.includes('"');
  const groups = texts.slice(0, 2);
  const weight = numbers.find((name) => TOTALLED.test(name));
  const level = ["close", "price", "value", ...numbers].find((name) => numbers.includes(name) && name !== weight);
  const sum = (name) => (TOTALLED.test(name) ? "sum" : "avg");
  const sums = Object.fromEntries(numbers.map((name) => [name, sum(name)]));
  const moment = ["time", "bucket", "time bucket"].find((name) => !columns.some(([known]) => known === name));
  const found = [];
  const add = (name, config) => found.push({ name, config: { ...BLANK, ...config } });

  if (groups.length) {
    const shown = [...(time ? [time] : []), ...numbers.slice(0, 8)];
    add("Grid", {
      group_by: groups,
      columns: shown.length ? shown : texts,
      aggregates: { ...sums, ...(time && { [time]: "max" }) },
      columns_config: {
        ...(time && { [time]: clock(3) }),
        ...(weight && { [weight]: { fg_mode: "label-bar", column_size_override: 150 } }),
        ...(level && !calm && { [level]: { bg_mode: "pulse", fg_mode: "disabled" } }),
      },
    });
  }
  if (named && ["open", "high", "low", "close"].every((name) => numbers.includes(name))) {
    const length = bucket(span, 5);
    const prices = '"open", "high", "low", "close"';
    add("Candles", {
      plugin: "Candlestick",
      group_by: [...groups.slice(0, 1), moment],
      columns: ["open", "close", "highest", "lowest"],
      aggregates: { open: "first by index", close: "last by index", highest: "max", lowest: "min" },
      expressions: {
        [moment]: groups.length && length < 60000 ? minutes(time, length) : bucketed(time, length),
        highest: `max(${prices})`,
        lowest: `min(${prices})`,
      },
      plugin_config: { band_inner_frac: 0.8 },
    });
  }
  const [size, colour] = weight ? [weight, level] : numbers;
  if (groups.length && size) {
    const columns = colour ? [size, colour] : [size];
    add("Treemap", { plugin: "Treemap", group_by: groups, columns, aggregates: sums });
  }
  if (groups.length === 2 && size) {
    const [group_by, split_by] = [[groups[0]], [groups[1]]];
    add("Heat map", { plugin: "Heatmap", group_by, split_by, columns: [size], aggregates: sums });
  }
  if (named && numbers.length) {
    add("Lines", {
      plugin: "Y Line",
      group_by: [moment],
      split_by: groups.slice(0, 1),
      columns: groups.length ? [level ?? weight] : numbers.slice(0, 4),
      aggregates: sums,
      expressions: { [moment]: bucketed(time, bucket(span, 20)) },
      columns_config: { [moment]: span < 10000 ? clock(1) : {} },
      plugin_config: groups.length ? { facet_mode: "grid" } : {},
    });
  }
  add("Rows", {
    columns: columns.map(([name]) => name),
    sort: time ? [[time, "desc"]] : [],
    columns_config: Object.fromEntries(of(["datetime"]).slice(0, 1).map((name) => [name, clock(3)])),
  });
  return found;
}

/** What a table of history has besides its own columns: its time, cut to the unit. */
const by = (time, unit) => `${time} by ${unit}`;
const UNITS = ["second", "minute", "hour", "day"];

/** The columns of a table of history in a sensible order: its time, texts, numbers, others; and without those of `by`. */
export function ownColumns(columns) {
  const time = columns.find(([name]) => columns.some(([other]) => other === by(name, "second")))?.[0];
  const own = columns.filter(([name]) => !UNITS.some((unit) => name === by(time, unit)));
  const kinds = [([name]) => name === time, ([, type]) => type === "string", ([, type]) => NUMBER.includes(type)];
  const rank = (column) => [...kinds, () => true].findIndex((is) => is(column));
  return { time, own: [...own].sort((one, other) => rank(one) - rank(other)) };
}

/**
 * The ready-made views of a whole table, as `views`, of what TDengine can compute: no expressions, no split. `own` are
 * its columns, and `time` names the one that is its time. `unit` is what time is cut to ("minute"); `groups` are those
 * of its text columns that it can be grouped by, and `one` is a value of the first of them.
 */
export function historyViews({ time, own }, unit, groups = [], one = null) {
  const of = (types) => own.filter(([, type]) => types.includes(type)).map(([name]) => name);
  const [texts, numbers] = [of(["string"]), of(NUMBER)];
  const weight = numbers.find((name) => TOTALLED.test(name));
  const level = ["close", "price", "value", ...numbers].find((name) => numbers.includes(name) && name !== weight);
  const sums = Object.fromEntries(numbers.map((name) => [name, TOTALLED.test(name) ? "sum" : "avg"]));
  const found = [];
  const add = (name, config) => found.push({ name, config: { ...BLANK, ...config } });
  const only = one === null ? [] : [[groups[0], "==", one]];
  const [size, colour] = weight ? [weight, level] : numbers;

  add("Rows", { columns: own.map(([name]) => name), sort: [[time, "desc"]], columns_config: { [time]: clock(3, true) } });
  if (texts.length) {
    const columns = [...numbers.slice(0, 8), time];
    add("Pivot", { group_by: groups, columns, aggregates: { ...sums, [time]: "last" } });
  }
  if (["open", "high", "low", "close"].every((name) => numbers.includes(name))) {
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

/** How many milliseconds lie between the first and the last time in a table. */
export async function span(table, columns) {
  const time = columns.find(([, type]) => TIME.includes(type))?.[0];
  if (time === undefined) return 0;
  const view = await table.view({ columns: [time] });
  const times = (await view.to_columns())[time].filter((value) => value !== null).sort((one, other) => one - other);
  await view.delete();
  return times.length ? times.at(-1) - times[0] : 0;
}

/** The columns that a view names and the table does not have. Throws where it is no view at all. */
export function missing(view, columns) {
  const { group_by = [], split_by = [], sort = [], filter = [], expressions = {} } = view;
  const known = new Set([...columns.map(([name]) => name), ...Object.keys(expressions)]);
  const named = [...view.columns, ...group_by, ...split_by, ...[...sort, ...filter].map(([name]) => name)];
  return [...new Set(named.filter((name) => name !== null && !known.has(name)))];
}
