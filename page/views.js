/**
 * What views are made of: a table's columns in their order, [[name, type], ...], types as Perspective names them.
 */

const TOTALLED = /^(volume|amount|count|quantity|qty|size|total)$/i;

const NO_DATE = { year: "disabled", month: "disabled", day: "disabled" };

/** A time to the millisecond or so, of day or with the date; Perspective's own format ends with the second. */
export const clock = (fraction, date = false) => ({
  date_format: {
    format: "custom",
    ...(date ? { year: "numeric", month: "2-digit", day: "2-digit" } : NO_DATE),
    hour12: false,
    ...{ hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: fraction },
  },
});

/** A time as its date, for columns that hold dates. */
export const date = {
  date_format: {
    ...{ format: "custom", year: "numeric", month: "2-digit", day: "2-digit" },
    ...{ hour: "disabled", minute: "disabled", second: "disabled" },
  },
};

/** Whether a time is midnight where the visitor is, or none. */
export const isMidnight = (time) => time === null || (time % 1000 === 0 && /^00:00:00/.test(new Date(time).toTimeString()));

/** A name that no column has, as this one or with underscores behind it. */
export function free(name, columns) {
  while (columns.some(([known]) => known === name)) name += "_";
  return name;
}

/**
 * The names of the columns that there are to draw. `tags` are those of a super table's children: they group rows,
 * numbers as well as texts, and are never added up; the children's own names, `tbname`, do so last. Of the numbers,
 * `weight` is one that is added up, `level` one that is averaged, `size` and `colour` are what a treemap draws, each
 * undefined where there is none; `sums` is how each number is aggregated, and `prices` whether there are those of
 * candles.
 */
export function columnsToDraw(columns, tags = []) {
  const of = (...types) => columns.filter(([, type]) => types.includes(type)).map(([name]) => name);
  const numbers = of("integer", "float").filter((name) => !tags.includes(name));
  const tagged = tags.filter((name) => columns.some(([known]) => known === name));
  const [child] = tagged.length ? ["tbname"] : [];
  const rank = (name) => (name === child ? 3 : !tagged.includes(name) ? 1 : of("string").includes(name) ? 0 : 2);
  const texts = [...new Set([...of("string"), ...tagged])].sort((one, other) => rank(one) - rank(other));
  const weight = numbers.find((name) => TOTALLED.test(name));
  const level = ["close", "price", "value", ...numbers].find((name) => numbers.includes(name) && name !== weight);
  const [size, colour] = weight ? [weight, level] : numbers;
  const sums = Object.fromEntries(numbers.map((name) => [name, TOTALLED.test(name) ? "sum" : "avg"]));
  const prices = ["open", "high", "low", "close"].every((name) => numbers.includes(name));
  const times = of("datetime", "date");
  return { texts, child, times, numbers, weight, level, size, colour, sums, prices };
}

/** What the title of candles says of their colours, which page.css gives them. */
export const UP_AND_DOWN = ", green up, orange down";

/** The columns that a panel names and the table does not have. Throws where it is no panel at all. */
export function missing(view, columns) {
  const { group_by = [], split_by = [], sort = [], filter = [], expressions = {}, windows = {} } = view;
  const known = new Set([...columns.map(([name]) => name), ...Object.keys(expressions), ...Object.keys(windows)]);
  const named = [...view.columns, ...group_by, ...split_by, ...[...sort, ...filter].map(([name]) => name)];
  return [...new Set(named.filter((name) => name !== null && !known.has(name)))];
}
