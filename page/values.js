/** What a table holds, whether Perspective's own or one of History. */

const MOST = 1000;

/** Rows of a view of the table that is configured so, as columns: the first `count`. */
export async function firstRows(table, config, count) {
  const view = await table.view(config);
  const found = await view.to_columns({ start_row: 0, end_row: count });
  await view.delete();
  return found;
}

/** The values of a column, each once: the first of them. */
export async function valuesIn(table, column) {
  const { __ROW_PATH__: paths = [] } = await firstRows(
    table,
    { group_by: [column], columns: [], group_rollup_mode: "flat" },
    MOST,
  );
  return paths.map(([value]) => value);
}
