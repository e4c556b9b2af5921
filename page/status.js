/** How the server says that things are: /status, asked for twice a second. */

import { connection, wake } from "./connection.js";
import { seen, sleep } from "./waiting.js";

/**
 * What is known: `status`, the last one that it gave, and `at`, when that was; how many `rows` the replica had then;
 * whether it `answers` now, or has `refused` to.
 */
export const server = { status: null, at: null, rows: null, answers: false, refused: false };

/** The server's time, in epoch milliseconds. */
export const serverNow = () => server.status.now + performance.now() - server.at;

/**
 * Ask for as long as the page is open, call `known` after each answer or none, and connect anew where what is shown
 * cannot be the truth. `size()` is how many rows the replica has, null where there is none yet.
 */
export async function watchStatus(size, known) {
  let [newest, since] = [null, 0];
  for (let pause = 500; ;) {
    await seen();
    try {
      const rows = await size();
      const answer = await fetch("status?quiet", { signal: AbortSignal.timeout(1500) });
      server.refused = [401, 403].includes(answer.status);
      const status = server.refused ? null : await answer.json();
      if (status && !server.answers) wake();
      server.answers = status !== null;
      if (status) Object.assign(server, { status, at: performance.now(), rows });
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
