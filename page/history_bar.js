/** The bar of History: its time ranges, and for how long TDengine has been asked. */

import { timeAxis } from "./brush.js";
import { memoryOfTab } from "./memory.js";
import { note } from "./note.js";
import { endsOf, isNamed, RANGES, spanOf } from "./ranges.js";
import { serverNow } from "./status.js";
import { seen, sleep } from "./waiting.js";

const SLOW = 300; // milliseconds: a question that takes longer is shown, and can be cancelled

/** Milliseconds as an input for a local time has them, to the second. */
const local = (time) => new Date(time - new Date(time).getTimezoneOffset() * 60000).toISOString().slice(0, 19);

/**
 * Make the bar, which calls `chosen` with the range that the visitor chooses, `cancelled`, and `refresh`, where the
 * visitor wants to see what there is now, or has said how often.
 *
 * Returns `draw(at)`, which shows where the page is, { table, range }, or hides the bar for null; `tell(asking,
 * otherwise)`, which says for how many milliseconds TDengine has been asked, where those are many, or otherwise something
 * else; and `asOf(range, time, ends)`, when what was asked for then begins and ends; of all rows that are `ends`.
 */
export function historyBar(chosen, cancelled, refresh) {
  const find = (selector) => document.querySelector(selector);
  const [bar, ranges, between, every] = ["#history", "#ranges", "#between", "#every"].map(find);
  let [shown, custom] = [null, false];

  function draw(at) {
    shown = at;
    bar.hidden = at === null;
    if (at === null) return;
    for (const each of ranges.children) {
      const pressed = each.value ? !custom && each.value === at.range : custom || !isNamed(at.range);
      each.setAttribute("aria-pressed", pressed);
      if (!each.value) between.hidden = !pressed;
    }
    if (!custom && !isNamed(at.range)) fill(at.range);
  }

  function tell(asking, otherwise) {
    const slow = asking !== null && asking > SLOW;
    find("#asking").textContent = slow ? `asking TDengine … ${(asking / 1000).toFixed(1)} s` : otherwise;
    find("#cancel").hidden = !slow;
  }

  const showAxis = timeAxis((from, to) => choose(`${from}-${to}`));

  function asOf(range, time, ends = null) {
    showAxis(range === "all" ? ends : endsOf(range, time));
    find("#span").textContent = `${spanOf(range, time)}, as of ${new Date(time).toLocaleTimeString()}`;
  }

  /** Have the inputs say when a range begins and ends. */
  function fill(range) {
    const [from, to] = endsOf(range, serverNow());
    [between.elements.from.value, between.elements.to.value] = [local(from), local(to)];
  }

  /** Let the visitor say when a range begins and ends. */
  function openBetween() {
    custom = true;
    fill(shown.range);
    draw(shown);
  }

  function choose(range) {
    custom = false;
    chosen(range);
  }

  /** Refresh as often as the visitor wants it, while History is shown and seen. */
  async function repeat() {
    for (let since = performance.now(); ; await sleep(100)) {
      await seen();
      if (shown === null || !Number(every.value) || performance.now() - since < 1000 * every.value) continue;
      await refresh();
      since = performance.now();
    }
  }

  for (const [value, text] of [...Object.entries(RANGES), ["", "From – to"]]) {
    const button = Object.assign(document.createElement("button"), { value, textContent: text });
    button.addEventListener("click", () => (value ? choose(value) : openBetween()));
    ranges.append(button);
  }
  between.addEventListener("submit", (event) => {
    event.preventDefault();
    const [from, to] = ["from", "to"].map((name) => new Date(between.elements[name].value).getTime());
    if (from < to) choose(`${from}-${to}`);
    else note("A time range begins before it ends.");
  });
  every.value = memoryOfTab.get("refresh every") ?? 0;
  every.addEventListener("change", () => memoryOfTab.set("refresh every", every.value));
  find("#refresh").addEventListener("click", refresh);
  find("#cancel").addEventListener("click", cancelled);
  repeat();
  return { draw, tell, asOf };
}
