/** Lists and forms that open out of the head of the page: a press anywhere else closes them. */

document.addEventListener("pointerdown", ({ target }) => {
  for (const popup of document.querySelectorAll("header details[open]:not(details details)")) {
    if (!popup.contains(target)) popup.open = false;
  }
});
