/** The note under the head line: what the visitor has to be told, until it is read, closed, or something else is done. */

const SHOWN = 8000; // milliseconds

const element = document.querySelector("#note");
const text = element.querySelector("span");
let timer = null;

export function note(what) {
  if (text.textContent !== what) text.textContent = what; // or what is the same would be read out again
  clearTimeout(timer);
  timer = setTimeout(leave, SHOWN);
}

/** Take the note away, unless somebody is at it: then later. */
function leave() {
  if (element.matches(":hover, :focus-within")) timer = setTimeout(leave, 1000);
  else note("");
}

/** Something else is done. A key that only leads to the note, or goes with another, does nothing. */
function act({ target, key }) {
  const passing = ["Tab", "Shift", "Control", "Alt", "Meta"].includes(key);
  if (text.textContent && !passing && !element.contains(target)) note("");
}

element.querySelector("#dismiss").addEventListener("click", () => note(""));
for (const type of ["pointerdown", "keydown"]) addEventListener(type, act, true);
