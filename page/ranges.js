/** The time ranges of History: four by name, and any other as "from-to", in epoch milliseconds. */

/** The named ones, and what their buttons say. */
export const RANGES = { "1m": "Minute", "1h": "Hour", "1d": "Day", all: "All" };

const TITLES = { "1m": "the last minute", "1h": "the last hour", "1d": "the last day", all: "all rows" };
const [MINUTE, HOUR, DAY] = [6e4, 36e5, 864e5];

export const isNamed = (range) => Object.hasOwn(RANGES, range);

/** Whether what came from outside is one. */
export const isRange = (range) => isNamed(range) || /^\d{1,14}-\d{1,14}$/.test(range);

/** A time range in words. */
export function titleOf(range) {
  const text = (time) => new Date(Number(time)).toLocaleString();
  return TITLES[range] ?? range.split("-").map(text).join(" to ");
}

/** When a range begins and ends; of one that has a name, some time until `now` that may be asked for instead. */
export function endsOf(range, now) {
  return isNamed(range) ? [now - ({ "1m": MINUTE, "1h": HOUR }[range] ?? DAY), now] : range.split("-").map(Number);
}

/** What time is cut to where a range is shown, so that there are neither too few pieces nor too many. */
export function unitOf(range) {
  const [from, to] = range.split("-").map(Number);
  const length = { "1m": MINUTE, "1h": HOUR, "1d": DAY, all: 7 * DAY }[range] ?? to - from;
  const longest = { second: 10 * MINUTE, minute: 2 * DAY, hour: 60 * DAY, day: Infinity };
  return Object.keys(longest).find((unit) => length <= longest[unit]);
}
