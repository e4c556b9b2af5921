/** Which of the server's tables is shown live, and what this page has of it. */

import { connection, wake } from "./connection.js";

let wanted = null; // its name with the database's, null for the server's first one
let waiting = null; // { arrived, failed } of who waits for it
let left = []; // replicas of other tables, which nothing shows any more once `tidy()` is called

/** `here` is what there is: { path, name, limit, columns, replica }, `path` as it was connected to; null before. */
export const live = { here: null };

/** The table that is wanted. */
export const wantedTable = () => wanted;

/** The path of the websocket that has it. */
export const path = () => (wanted === null ? "websocket" : `websocket?table=${encodeURIComponent(wanted)}`);

/** What this page has of it: a replica, or null while there is none. */
export const replica = () => (live.here?.path === path() ? live.here.replica : null);

/** Want a table, and wait until it is here. Fails with the reason where the server does not show it. */
export function want(table) {
  const other = table !== wanted;
  wanted = table;
  waiting?.failed(new Error("another table is wanted"));
  waiting = null;
  if (other) connection.drop();
  if (other) wake();
  if (replica()) return Promise.resolve();
  return new Promise((arrived, failed) => (waiting = { arrived, failed }));
}

/** A table is here, in place of another. */
export function arrived(here) {
  if (live.here) left.push(live.here.replica);
  live.here = here;
  if (!replica()) return;
  waiting?.arrived();
  waiting = null;
}

/** The server has answered why it does not show what is wanted. The first table is waited for whatever it answers. */
export function refused({ message }) {
  if (wanted === null) return;
  waiting?.failed(new Error(message.replace(/^[\w ]+(\(\))?: /, "")));
  waiting = null;
}

/** Let go of what was here before, as nothing shows it. */
export function tidy() {
  for (const each of left) each.delete({ lazy: true });
  left = [];
}
