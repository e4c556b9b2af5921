/** Colours: those that the visitor has chosen, in whichever tab, or where there is no choice the system's. */

import { memory } from "./memory.js";
import { inTurn } from "./turns.js";

const THEMES = { light: "Pro Light", dark: "Pro Dark" };

const viewer = document.querySelector("perspective-viewer");
const button = document.querySelector("#theme");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** What Perspective calls the colours of now. A view that is restored has to name them. */
export const theme = () => THEMES[memory.get("theme") ?? (dark.matches ? "dark" : "light")];

function apply() {
  const chosen = memory.get("theme");
  document.documentElement.dataset.theme = chosen ?? "auto";
  button.textContent = `Colours: ${chosen ?? "auto"}`;
  viewer.setAttribute("theme", theme());
  if (viewer.matches(".shown")) inTurn(recolour); // else nothing is loaded yet, and takes them when it is
}

async function recolour() {
  await viewer.resetThemes([theme()]); // this page has a switch of its own for them
  const saved = await viewer.saveWorkspace();
  for (const panel of Object.values(saved.panels)) panel.theme = theme();
  await viewer.restoreWorkspace(saved);
}

button.addEventListener("click", () => {
  memory.set("theme", { null: "light", light: "dark", dark: null }[memory.get("theme")]);
  apply();
});
dark.addEventListener("change", apply);
addEventListener("storage", ({ key }) => key === "theme" && apply());
apply();
