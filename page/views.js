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

/**
 * The names of the columns that there are to draw. Of the numbers, `weight` is one that is added up, `level` one that
 * is averaged, `size` and `colour` are what a treemap draws, each undefined where there is none; `sums` is how each
 * number is aggregated, and `prices` whether there are those of candles.
 */
export function columnsToDraw(columns) {
  const of = (...types) => columns.filter(([, type]) => types.includes(type)).map(([name]) => name);
  const numbers = of("integer", "float");
  const weight = numbers.find((name) => TOTALLED.test(name));
  const level = ["close", "price", "value", ...numbers].find((name) => numbers.includes(name) && name !== weight);
  const [size, colour] = weight ? [weight, level] : numbers;
  const sums = Object.fromEntries(numbers.map((name) => [name, TOTALLED.test(name) ? "sum" : "avg"]));
  const prices = ["open", "high", "low", "close"].every((name) => numbers.includes(name));
  return { texts: of("string"), times: of("datetime", "date"), numbers, weight, level, size, colour, sums, prices };
}

/** The columns that a panel names and the table does not have. Throws where it is no panel at all. */
export function missing(view, columns) {
  const { group_by = [], split_by = [], sort = [], filter = [], expressions = {}, windows = {} } = view;
  const known = new Set([...columns.map(([name]) => name), ...Object.keys(expressions), ...Object.keys(windows)]);
  const named = [...view.columns, ...group_by, ...split_by, ...[...sort, ...filter].map(([name]) => name)];
  return [...new Set(named.filter((name) => name !== null && !known.has(name)))];
}
