/** Replicating the server's table: what a replica in this page is made from, and how it follows. */

import { connection } from "./connection.js";
import { inTurn } from "./turns.js";
import { sleep } from "./waiting.js";

/** What the server calls its table. Until it has read TDengine's, it has none. */
export async function tableName(client) {
  for (;;) {
    const [name] = await client.get_hosted_table_names();
    if (name !== undefined) return name;
    await sleep(250);
  }
}

/** A table's columns in their order, [[name, type], ...]. */
export async function columnsOf(table) {
  const [names, schema] = await Promise.all([table.columns(), table.schema()]);
  return names.map((name) => [name, schema[name]]);
}

/** What has changed in the server's table. It waits until there is a replica to apply it to. */
export class Updates {
  #waiting = [];
  #replica = null;

  add(delta) {
    if (this.#replica === null) this.#waiting.push(delta);
    else {
      connection.heard = performance.now();
      this.#replica.update(delta);
    }
  }

  /** Forget what has come so far: rows that come after it have it in them. */
  forget() {
    this.#waiting = [];
  }

  /** Apply what waits and, from now on, all that comes. */
  follow(replica) {
    this.#replica = replica;
    connection.heard = performance.now();
    this.#waiting.forEach((delta) => replica.update(delta));
  }
}

/** Why the server closes the connections where its table has taken in too much text, which its engine never lets go. */
const ANEW = "the table begins anew";

/**
 * Have what is here of a table, { replica, columns }, hold the rows that the server has now, which may be others than
 * before the connection was lost, and follow. The replica becomes another one, made by `engine`, where the text that it
 * has taken in would be kept for ever; `viewer` shows that instead.
 */
export async function refill(viewer, engine, here, source) {
  const { rows, count, limit, updates } = source;
  if (JSON.stringify(here.columns) !== JSON.stringify(source.columns)) {
    location.reload(); // the table has other columns now
    await new Promise(() => {});
  }
  if (connection.problem === ANEW) {
    await another(viewer, engine, here, source);
    return;
  }
  // update() of a full table overwrites all its rows, and unlike replace() leaks nothing.
  await (count === limit ? here.replica.update(rows) : here.replica.replace(rows));
  updates.follow(here.replica);
}

/** Make another replica of the same rows, and have all panels show that: what has its turn later finds that one. */
async function another(viewer, engine, here, { name, rows, limit, updates }) {
  connection.problem = "";
  const replica = here.replica;
  const old = await replica.get_name();
  const table = old === name ? `${name} ` : name;
  const fresh = await engine.table(rows, { name: table, limit });
  const follow = async () => {
    for (const panel of viewer.getPanelNames()) {
      const shown = await viewer.save({ panel }).catch(() => null); // null of one that is on its way out
      if (shown?.table === old) await viewer.restore({ ...shown, table }, { panel });
    }
    await viewer.flush(); // or what draws the old one would fail
    here.replica = fresh;
  };
  try {
    await inTurn(follow);
  } catch (error) {
    await fresh.delete({ lazy: true });
    connection.problem = ANEW;
    throw error;
  }
  updates.follow(fresh);
  await replica.delete({ lazy: true });
}
