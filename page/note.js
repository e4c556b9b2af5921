/** The note under the head line: what the visitor has to be told, until it is closed. */

const text = document.querySelector("#note span");

export function note(what) {
  text.textContent = what;
}

document.querySelector("#dismiss").addEventListener("click", () => note(""));
