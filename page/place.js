/**
 * A place: a table, { database, table }, live, or with a `range` its History; null is the server's first table, live.
 */

import { addressOf } from "./address_bar.js";
import { note } from "./note.js";
import { isRange } from "./ranges.js";

export const isHistory = (place) => place?.range !== undefined;

/** What is to be known of places where the server's first table is called so, with its database's name. */
export function placesOf(first) {
  const [, database, table] = /^([^.]*)\.(.*)$/s.exec(first);
  const own = { database, table };
  const fullName = (place) => (place ? `${place.database}.${place.table}` : first);

  /** The same as the address bar has it, which need not name the first database. */
  const short = (place) => place && { ...place, database: place.database === database ? undefined : place.database };

  /** The place of a table, live. */
  function liveOf({ database, table }) {
    const place = { database, table };
    return fullName(place) === first ? null : place;
  }

  /** A place that came from outside, with another time range where that is none. */
  function placeOf(named) {
    const { table, range, database: of } = named ?? {};
    if (typeof table !== "string") return null;
    const place = { database: typeof of === "string" ? of : database, table };
    if (range === undefined) return liveOf(place);
    if (isRange(range)) return { ...place, range };
    note("The link names no time range that there is. Here is the last hour.");
    return { ...place, range: "1h" };
  }

  return {
    ...{ own, fullName, short, liveOf, placeOf },
    /** What tells places apart whose views are remembered. */
    keyOf: (place) => `${isHistory(place) ? "history" : "live"} ${fullName(place)}`,
    hrefOf: (place) => addressOf(short(isHistory(place) ? place : place && liveOf(place))) || "#",
  };
}
