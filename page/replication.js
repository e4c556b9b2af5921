/** Replicating the server's table: what a replica in this page is made from, and how it follows. */

import { connection } from "./connection.js";
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
  const [names, schema] = [await table.columns(), await table.schema()];
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

/**
 * Give a replica, whose columns are `columns`, the rows that the server has now, which may be others than before the
 * connection was lost, and let it follow.
 */
export async function refill(replica, columns, source) {
  const { rows, count, limit, updates } = source;
  if (JSON.stringify(columns) !== JSON.stringify(source.columns)) {
    location.reload(); // the table has other columns now
    await new Promise(() => {});
  }
  // update() of a full table overwrites all its rows, and unlike replace() leaks nothing.
  await (count === limit ? replica.update(rows) : replica.replace(rows));
  updates.follow(replica);
}
