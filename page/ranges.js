/**
 * The time ranges of History: some by name, which end now, and any other as "from-to", in epoch milliseconds, which are
 * negative before 1970.
 */

const [MINUTE, HOUR, DAY] = [6e4, 36e5, 864e5];

/** The named ones: what their buttons say, what they are in words, and how long they are. */
const NAMED = {
  "1m": ["Minute", "the last minute", MINUTE],
  "5m": ["5 min", "the last 5 minutes", 5 * MINUTE],
  "15m": ["15 min", "the last 15 minutes", 15 * MINUTE],
  "1h": ["Hour", "the last hour", HOUR],
  "6h": ["6 h", "the last 6 hours", 6 * HOUR],
  "1d": ["Day", "the last day", DAY],
  "7d": ["7 d", "the last 7 days", 7 * DAY],
  all: ["All", "all rows", Infinity],
};

/** The named ones, and what their buttons say. */
export const RANGES = Object.fromEntries(Object.entries(NAMED).map(([range, [text]]) => [range, text]));

export const isNamed = (range) => Object.hasOwn(NAMED, range);

/** The two times of a range that has no name; null for what is no such range. */
function times(range) {
  const found = /^(-?\d{1,14})-(-?\d{1,14})$/.exec(range);
  return found && found.slice(1).map(Number);
}

/** Whether what came from outside is a range. */
export function isRange(range) {
  if (typeof range !== "string") return false;
  const [from, to] = times(range) ?? [1, 0];
  return isNamed(range) || from <= to;
}

/** A time range in words. */
export function titleOf(range) {
  const text = (time) => new Date(time).toLocaleString();
  return NAMED[range]?.[1] ?? times(range).map(text).join(" to ");
}

/** When a range begins and ends; of one that has a name, until `now`, and of all rows the last day. */
export function endsOf(range, now) {
  if (!isNamed(range)) return times(range);
  return [now - (range === "all" ? DAY : NAMED[range][2]), now];
}

/** How many milliseconds a range has; of all rows that is not known. */
export function lengthOf(range) {
  const [from, to] = times(range) ?? [0, NAMED[range][2]];
  return to - from;
}

const LENGTHS = {
  ...{ second: 1000, "5 seconds": 5000, "15 seconds": 15_000, minute: MINUTE, "2 minutes": 2 * MINUTE },
  ...{ "10 minutes": 10 * MINUTE, hour: HOUR, "6 hours": 6 * HOUR, day: DAY },
};
const MOST = 300; // pieces, where the page chooses

/** What time can be cut to. */
export const UNITS = Object.keys(LENGTHS);

/** What time is cut to where so many milliseconds are shown, so that there are neither too few pieces nor too many. */
export function unitOf(length) {
  return UNITS.find((unit) => length / LENGTHS[unit] <= MOST) ?? "day";
}

/** Whether so many milliseconds, cut to a unit, are a number of pieces that can be shown and seen. */
export function fits(unit, length) {
  const pieces = length / LENGTHS[unit];
  return pieces >= 3 && pieces <= 10_000;
}

/** When the rows of a range begin and end, `now` being when they were asked for, in local time with its zone. */
export function spanOf(range, now) {
  if (range === "all") return "all rows";
  const [from, to] = endsOf(range, now).map((time) => new Date(time));
  const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(to);
  const sameDay = from.toDateString() === to.toDateString();
  const until = sameDay ? to.toLocaleTimeString() : to.toLocaleString();
  return `${from.toLocaleString()} – ${until} ${zone.find(({ type }) => type === "timeZoneName").value}`;
}
