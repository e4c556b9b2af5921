/** A connection to History, which knows what is being asked, and leaves nothing waiting where it is given up. */

import { connect } from "./connection.js";
import { answer, isAnswered, lastAnswer, madeAnew, mayFail, request, viewOf } from "./messages.js";
import { sleep } from "./waiting.js";

const LAST = 2 ** 32 - 1; // the greatest number of a request
const isRenewal = (id) => id > LAST - 1000; // those that are not the viewer's
const PAUSE = 150; // milliseconds: questions that follow each other sooner belong together

/**
 * Connect to History of a table over a time range, { database, table, range }. `failed(text)` is called with an error that the server answers, and has to drop
 * the connection. Whatever waits for an answer then has none at once: or the viewer would wait for ever.
 */
export async function connectToHistory({ database, table, range }, failed) {
  const open = new Map(); // the requests that wait for an answer, by their number
  const views = new Map(); // the requests that made the views that there are, by their name
  let [since, idle, gone] = [null, performance.now(), null];
  const resting = () => !open.size && performance.now() - idle > PAUSE;
  const end = (asked) => !isRenewal(asked.id) && connection.client.handle_response(lastAnswer(asked, gone));
  const connection = await connect(`history?${new URLSearchParams({ database, table, range })}`, {
    sent(bytes) {
      const [asked, view] = [request(bytes), viewOf(bytes)];
      if (view?.made) views.set(view.made, bytes);
      if (view?.gone) views.delete(view.gone);
      if (gone) setTimeout(end, 0, asked);
      else if (isAnswered(asked.kind)) {
        if (since === null || resting()) since = performance.now();
        open.set(asked.id, asked);
      }
      return !gone;
    },
    received(bytes) {
      const { id, error } = answer(bytes);
      const failure = error !== null && !found.hushed && !mayFail(open.get(id)?.kind);
      if (failure) failed(error);
      idle = performance.now();
      if (!failure) open.delete(id);
      return !failure && !isRenewal(id);
    },
  });
  const found = {
    client: connection.client,
    lost: connection.lost,
    /** Whether errors are no failure now. */
    hushed: false,
    /** For how long TDengine has been asked now, in milliseconds; null while it is not. */
    get asking() {
      return open.size ? performance.now() - since : null;
    },
    /** Wait until all is answered. Fails when the connection is dropped. */
    async rest() {
      while (!gone && !resting()) await sleep(50);
      if (gone) throw new Error(gone);
    },
    /**
     * Have all views made anew, over the time range as it is now. What is asked of them from then on is answered by
     * that. Returns whether there are any.
     */
    async renew() {
      const made = [...views.values()];
      made.forEach((bytes, at) => madeAnew(bytes, [LAST - 2 * at - 1, LAST - 2 * at]).forEach(connection.send));
      while (!gone && [...open.keys()].some(isRenewal)) await sleep(20);
      if (gone) throw new Error(gone);
      return made.length > 0;
    },
    drop(why) {
      if (gone) return;
      gone = why;
      connection.drop();
      open.forEach(end);
      open.clear();
    },
  };
  return found;
}
