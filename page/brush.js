/** The axis of History's time: what is shown from its begin to its end, where dragging chooses a part of it. */

const LEAST = 5; // pixels, so that a click is no drag
const STEP = 1000; // milliseconds

/** A time in few words: with its date, where the axis is longer than a day. */
function worded(time, length) {
  const date = length > 864e5 ? { month: "short", day: "numeric" } : {};
  const seconds = length < 36e5 ? { second: "2-digit" } : {};
  return new Date(time).toLocaleString(undefined, { ...date, hour: "2-digit", minute: "2-digit", ...seconds });
}

/** Let the visitor drag over the axis: `chosen(from, to)` is called with epoch milliseconds. Returns `show(ends)`. */
export function timeAxis(chosen) {
  const axis = document.querySelector("#axis");
  const band = Object.assign(document.createElement("div"), { className: "band", hidden: true });
  let [ends, from] = [null, null];

  const timeAt = (x) => {
    const { left, width } = axis.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (x - left) / width));
    return Math.round((ends[0] + part * (ends[1] - ends[0])) / STEP) * STEP;
  };

  function show(now) {
    ends = now;
    axis.hidden = !ends;
    if (!ends) return;
    const length = ends[1] - ends[0];
    const times = Array.from({ length: 7 }, (_, at) => ends[0] + (at * length) / 6);
    axis.replaceChildren(
      ...times.map((time) => Object.assign(document.createElement("span"), { textContent: worded(time, length) })),
      band,
    );
  }

  /** Where a drag is between, from the left. */
  const between = ({ clientX }) => [from, clientX].sort((one, other) => one - other);

  axis.addEventListener("pointerdown", (event) => {
    if (!ends || event.button) return;
    from = event.clientX;
    axis.setPointerCapture(event.pointerId);
  });
  axis.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const [left, right] = between(event);
    band.hidden = right - left < LEAST;
    band.style.left = `${left - axis.getBoundingClientRect().left}px`;
    band.style.width = `${right - left}px`;
    band.title = [left, right].map((x) => worded(timeAt(x), 0)).join(" – ");
  });
  for (const type of ["pointerup", "pointercancel"]) {
    axis.addEventListener(type, (event) => {
      if (from === null) return;
      const [left, right] = between(event);
      [from, band.hidden] = [null, true];
      if (type === "pointerup" && right - left >= LEAST && timeAt(left) < timeAt(right)) chosen(timeAt(left), timeAt(right));
    });
  }
  return show;
}
