/** The ready-made dashboard: a panel whose rows select for the others, and those others. */

import { alone, split } from "./panels.js";
import { columnsToDraw } from "./views.js";

/**
 * A view of several panels, { title: config, ... } in the order of their importance; where `selects` is one, [title,
 * config], its rows select for the others. Null where there are no two.
 */
function dashboard(selects, others) {
  const titled = Object.entries(others).map(([title, config]) => ({ ...config, title }));
  const panels = Object.fromEntries(titled.slice(0, 3).map((config, at) => [`panel ${at + 1}`, config]));
  const [first, ...more] = Object.keys(panels);
  if (!first || (!selects && !more.length)) return null;
  const below = more.length > 1 ? split("horizontal", more.map((name) => [1 / more.length, name])) : more[0];
  const drawn = below ? split("vertical", [[0.5, first], [0.5, below]]) : first;
  if (!selects) return { layout: drawn, panels, masters: [] };
  const [title, config] = selects;
  return {
    layout: split("horizontal", [[0.3, "main"], [0.7, drawn]]),
    panels: { main: { ...config, title }, ...panels },
    masters: ["main"],
  };
}

/** The configurations of ready-made views by name, as views; and before them a dashboard of some of them. */
export function withDashboard(found, columns, groups, tags = []) {
  const { numbers, weight, level, size, sums } = columnsToDraw(columns, tags);
  const [group, other] = groups;
  const { Grid, Pivot, Lines, Treemap, Rows } = found;
  const rows = Grid ?? Pivot;
  const shown = [level, weight].filter((name) => name !== undefined);
  const selects = group !== undefined && rows && numbers.length && [`by ${group}`, { ...rows, group_by: [group], columns: shown }];
  const others = {
    ...(Lines && { [`${Lines.columns.join(", ")} over time`]: { ...Lines, plugin_config: {} } }),
    ...(Treemap && { [`${size} by ${Treemap.group_by.join(" and ")}`]: Treemap }),
    ...(size && other && { [`${size} by ${other}`]: { plugin: "Y Bar", group_by: [other], columns: [size], aggregates: sums } }),
    ...(!selects && { rows: Rows }),
  };
  const made = dashboard(selects, others);
  const views = Object.entries(found).map(([name, config]) => [name, alone(config)]);
  return { ...(made && { Dashboard: made }), ...Object.fromEntries(views) };
}
