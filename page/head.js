/** The head line: what is shown, and how the server, TDengine and the connection are. */

import { connection } from "./connection.js";
import { replica } from "./live_table.js";
import { server, serverNow, watchStatus } from "./status.js";

const STILL_LIVE = 2000; // milliseconds: a newest row that is older means that nobody writes

const TITLE = document.title;

function write(selector, text) {
  const element = document.querySelector(selector);
  if (element.textContent !== text) element.textContent = text;
}

function show(state, text, reason = "") {
  document.querySelector("#state").dataset.state = state;
  const table = history ?? server.status?.table;
  write("title", table ? `${table} – ${text}` : TITLE);
  write("#state", text);
  write("#reason", reason);
  document.querySelector("#reason").title = reason;
}

/** Say, where the rows will be, what the visitor waits for. */
export const progress = (text) => write("#progress", text);

function span(milliseconds) {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const units = { days: 86400, h: 3600, min: 60, s: 1 };
  const unit = Object.keys(units).find((name) => seconds >= 2 * units[name]);
  return `${Math.floor(seconds / units[unit]).toLocaleString("en")} ${unit}`;
}

/** How long ago something was. */
export const age = (milliseconds) => `${span(milliseconds)} ago`;

let history = null;

/** Say that a table of History is what is on the screen; null for Live. */
export function showing(table) {
  history = table;
  draw();
}

/** Write down what is known now, by the server's clock. */
function draw() {
  const { status, rows, answers, refused } = server;
  const { heard, lost, problem } = connection;
  const old = status && status.newest !== null ? serverNow() - status.newest : null;
  const flows = answers && status.state === "live";
  write("#rows", rows?.toLocaleString("en") ?? "–");
  write("#rate", flows ? Math.round(status.rows_per_second).toLocaleString("en") : "–");
  write("#age", old === null ? "–" : age(old));
  write("#viewers", answers ? String(status.viewers) : "–");
  if (status) write("#table", history ?? status.table);
  if (refused) show("refused", "not allowed", "open the link that the server printed when it started");
  else if (!answers) show("reconnecting", "reconnecting", "the server does not answer");
  else if (!flows && replica()) show("stale", "stale", `waiting for TDengine: ${status.error}`);
  else if (!flows) show("waiting", "waiting for TDengine", status.error);
  else if (history) show("history", "history");
  else if (heard === null && performance.now() - lost > 500) show("reconnecting", "reconnecting", problem);
  else if (old > STILL_LIVE && !status.rows_per_second) show("idle", "live, no new rows");
  else show("live", "live", status.ahead ? `the newest row is ${span(status.ahead)} ahead of the server's clock` : "");
}

/** Keep the head line true. */
export function watch() {
  watchStatus(draw);
  setInterval(() => document.hidden || draw(), 250);
}
