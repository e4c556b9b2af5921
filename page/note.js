/** The note under the head line: what the visitor has to be told, until it is closed. */

const text = document.querySelector("#note span");

export function note(what) {
  if (text.textContent !== what) text.textContent = what; // or what is the same would be read out again
}

document.querySelector("#dismiss").addEventListener("click", () => note(""));
