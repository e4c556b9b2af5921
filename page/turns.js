/** What changes the viewer, one after the other: two of its restorations at once may leave it waiting for itself. */

let last = Promise.resolve();

/** Do some work when all that was to be done before is done, or has failed. */
export function inTurn(work) {
  const turn = last.then(work);
  last = turn.catch(() => {});
  return turn;
}
