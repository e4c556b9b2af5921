/** Charts, which Perspective draws with WebGL: where the browser has none they would be an empty page without a word. */

import { note } from "./note.js";

const canvas = document.createElement("canvas").getContext("webgl2");
canvas?.getExtension("WEBGL_lose_context")?.loseContext(); // there is room for a few only

/** Why a view cannot be drawn here, or null. */
export const undrawn = ({ panels }) =>
  canvas || Object.values(panels).every(({ plugin = "Datagrid" }) => plugin === "Datagrid")
    ? null
    : "charts need WebGL, which this browser does not have";

let told = false;

/** The names of the views, { name: view }, that can be drawn here. Why not all of them is said once. */
export function drawn(views) {
  const names = Object.keys(views);
  const found = names.filter((name) => !undrawn(views[name]));
  if (found.length < names.length && !told) {
    told = true;
    note("Charts need WebGL, which this browser does not have. Here are the views that do without.");
  }
  return found;
}
