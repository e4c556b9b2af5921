/** How the server says that things are: /status, asked for twice a second. */

import { connection, wake } from "./connection.js";
import { replica, wantedTable } from "./live_table.js";
import { seen, sleep } from "./waiting.js";

/**
 * What is known: `status`, the last one that it gave of the table that is wanted, and `at`, when that was; `first`, the
 * name of its first table; how many `rows` the replica had then; whether it `answers` now, or has `refused` to.
 */
export const server = {
  ...{ status: null, at: null, first: null, rows: null, answers: false, refused: false },
  /** Whether there are columns to that table, which its status tells. */
  get known() {
    return server.status?.table === (wantedTable() ?? server.first) && server.status.polls > 0;
  },
};

/** The server's time, in epoch milliseconds. */
export const serverNow = () => server.status.now + performance.now() - server.at;

const NOTHING = { state: "waiting", error: "its rows are asked for", rows: 0, newest: null, ahead: 0, tags: [], renamed: {} };

/** What a status says of the table that is wanted. */
function ofWanted(status) {
  const table = wantedTable() ?? status.table;
  return { ...status, ...NOTHING, table, ...status.tables[table] };
}

/** Ask now. Resolves to the rows that the replica has, null where there is none. */
export async function askStatus() {
  const rows = (await replica()?.size()) ?? null;
  const answer = await fetch("status?quiet", { signal: AbortSignal.timeout(1500) });
  server.refused = [401, 403].includes(answer.status);
  const all = server.refused ? null : await answer.json();
  const status = all && ofWanted(all);
  if (status && (!server.answers || (status.state === "live" && server.status?.state !== "live"))) wake();
  server.answers = status !== null;
  if (status) Object.assign(server, { status, first: all.table, at: performance.now(), rows });
  return rows;
}

/**
 * Ask for as long as the page is open, call `known` after each answer or none, and connect anew where what is shown
 * cannot be the truth.
 */
export async function watchStatus(known) {
  let [newest, since] = [null, 0];
  for (let pause = 500; ;) {
    await seen();
    try {
      const rows = await askStatus();
      const status = server.answers ? server.status : null;
      // No update tells of a row that is gone, and a connection may have died in its sleep.
      if (connection.heard > since) [newest, since] = [status?.newest, performance.now()];
      const deaf = status?.newest !== newest && performance.now() - since > 3000;
      if (connection.heard !== null && status?.state === "live" && (rows > status.rows || deaf)) connection.drop();
      pause = server.refused ? Math.min(pause * 1.5, 5000) : 500;
    } catch {
      Object.assign(server, { answers: false, refused: false });
      pause = 1000;
    }
    known();
    await sleep(pause);
  }
}
