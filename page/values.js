/** The values that a column of a table has, each once. */

const MOST = 1000;

/** The first of them, of Perspective's own table as of one of History. */
export async function valuesIn(table, column) {
  const view = await table.view({ group_by: [column], columns: [], group_rollup_mode: "flat" });
  const { __ROW_PATH__: paths = [] } = await view.to_columns({ start_row: 0, end_row: MOST });
  await view.delete();
  return paths.map(([value]) => value);
}
