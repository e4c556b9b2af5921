/** What the browser remembers of a visit; nothing where it must not. */

const over = (storage) => ({
  get(key) {
    try {
      return JSON.parse(storage().getItem(key));
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      storage().setItem(key, JSON.stringify(value));
    } catch {}
  },
});

/** From visit to visit, whichever tab they are in. */
export const memory = over(() => localStorage);

/** For as long as this tab is open. */
export const memoryOfTab = over(() => sessionStorage);
