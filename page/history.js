/** History: whole tables, of which TDengine is asked for what is on the screen, and the way there and back to Live. */

const RANGES = { "1m": "Minute", "1h": "Hour", "1d": "Day", all: "All" };
const TITLES = { "1m": "the last minute", "1h": "the last hour", "1d": "the last day", all: "all rows" };
const SLOW = 300; // milliseconds: a question that takes longer is shown, and can be cancelled
const PAUSE = 150; // milliseconds: questions that follow each other sooner belong together
const NO_ANSWER = [21, 29, 34]; // the numbers of Perspective's requests to be told of something later
const FORGET = [11, 22, 30, 35, 37]; // to forget something, of which no failure matters
const GONE = [...FORGET, 12]; // and to say how large something is: what is gone is nothing
const ERROR = 50; // and of an answer that is none

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The fields of one of Perspective's messages, which are protobuf: [number, value], texts and messages as bytes. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const value = varint();
    if ((key & 7) === 0) yield [key >>> 3, value];
    else if ((key & 7) === 2) yield [key >>> 3, bytes.subarray(at, (at += value))];
    else return;
  }
}

/** The answer to question `id`, of the kind `number`, where nobody can be asked any more, and why. */
function lastAnswer(id, number, why) {
  const varint = (number) => (number < 128 ? [number] : [(number % 128) | 128, ...varint(Math.floor(number / 128))]);
  const field = (number, content) => [...varint(number * 8 + 2), ...varint(content.length), ...content];
  const error = () => field(ERROR, field(1, [...new TextEncoder().encode(why)]));
  return new Uint8Array([8, ...varint(id), ...(GONE.includes(number) ? field(number, []) : error())]);
}

/** What time is cut to where a range is shown, so that there are neither too few pieces nor too many. */
function unitOf(range) {
  const [from, to] = range.split("-").map(Number);
  const length = { "1m": 6e4, "1h": 36e5, "1d": 864e5, all: 7 * 864e5 }[range] ?? to - from;
  return Object.entries({ second: 6e5, minute: 2 * 864e5, hour: 60 * 864e5, day: Infinity }).find(
    ([, most]) => length <= most,
  )[0];
}

/**
 * A connection to history over a time range, which knows what is being asked. `failed(text)` is called with an error
 * that the server answers, and has to drop the connection. Whatever waits for an answer then has none at once: or the
 * viewer would wait for ever.
 */
async function ask(connect, range, failed) {
  const open = new Map();
  let [since, idle, gone] = [null, performance.now(), null];
  const resting = () => !open.size && performance.now() - idle > PAUSE;
  const end = (number, id) => connection.client.handle_response(lastAnswer(id, number, gone));
  const connection = await connect(`/history?range=${range}`, {
    sent(bytes) {
      const asking = [...fields(bytes)];
      const [[, id], [number]] = [asking[0], asking.at(-1)];
      if (gone) setTimeout(end, 0, number, id);
      else if (!NO_ANSWER.includes(number)) {
        if (since === null || resting()) since = performance.now();
        open.set(id, number);
      }
      return !gone;
    },
    received(bytes) {
      const answer = Object.fromEntries(fields(bytes));
      const failure = ERROR in answer && !asked.hushed && !FORGET.includes(open.get(answer[1]));
      if (failure) failed(new TextDecoder().decode(Object.fromEntries(fields(answer[ERROR]))[1]));
      idle = performance.now();
      if (!failure) open.delete(answer[1]);
      return !failure;
    },
  });
  const asked = {
    client: connection.client,
    lost: connection.lost,
    /** Whether errors are no failure now. */
    hushed: false,
    /** For how long TDengine has been asked now, in milliseconds; null while it is not. */
    get asking() {
      return open.size ? performance.now() - since : null;
    },
    /** Wait until all is answered. Fails when the connection is dropped. */
    async rest() {
      while (!gone && !resting()) await sleep(50);
      if (gone) throw new Error(gone);
    },
    drop(why) {
      if (gone) return;
      gone = why;
      connection.drop();
      open.forEach(end);
      open.clear();
    },
  };
  return asked;
}

/**
 * Let the visitor change between Live and History, its tables and its time ranges, and begin where a link or the last
 * visit of this tab says.
 *
 * `live` is what offer.js needs to show the live table, and `engine` the client that has it; `table` is TDengine's name
 * of it, "database.table". `connect(path, tap)` opens a websocket; `now()` is the server's time.
 */
export function browse({ viewer, engine, connect, offer, views, live, table: liveTable, now, memory, theme, note }) {
  const find = (selector) => document.querySelector(selector);
  const [bar, tables, ranges, between] = ["#history", "#tables", "#ranges", "#between"].map(find);
  const [database, ownTable] = [liveTable.slice(0, liveTable.indexOf(".")), liveTable.slice(liveTable.indexOf(".") + 1)];
  const shownAt = new Map(); // the views that were shown, by the place: Live or a table of History
  const keyOf = (at) => at?.table ?? null;
  /** Where the page is: null for Live, else { table, range }; and where it was when all was well. */
  let [at, good, last] = [null, { at: null }, { table: ownTable, range: "1h" }];
  let [offering, connection, turns, custom, said] = [null, null, 0, false, ""];
  let leaving = Promise.resolve();

  function draw() {
    find("#mode").querySelectorAll("button").forEach((each) => {
      each.setAttribute("aria-pressed", (each.value === "history") === (at !== null));
    });
    bar.hidden = at === null;
    if (at === null) return;
    tables.value = at.table;
    for (const each of ranges.children) {
      const chosen = each.value ? !custom && each.value === at.range : custom || !(at.range in RANGES);
      each.setAttribute("aria-pressed", chosen);
      if (!each.value) between.hidden = !chosen;
    }
  }

  // The viewer leaves the rejections of its own questions to nobody: what has been noted is no surprise.
  const noted = new Set(["given up", "the connection is lost"]);
  addEventListener("unhandledrejection", (event) => {
    const text = String(event.reason?.message ?? event.reason);
    if ([...noted].some((known) => text.includes(known))) event.preventDefault();
  });

  /** Say for how long TDengine has been asked, where that is long enough to say. */
  function drawAsking() {
    const asking = connection?.asking ?? null;
    const slow = asking !== null && asking > SLOW;
    find("#asking").textContent = slow ? `asking TDengine … ${(asking / 1000).toFixed(1)} s` : said;
    find("#cancel").hidden = !slow;
  }

  /** The time range as the viewer's title says it. */
  function titleOf({ range }) {
    const text = (time) => new Date(Number(time)).toLocaleString();
    return TITLES[range] ?? range.split("-").map(text).join(" to ");
  }

  /** Connect, however long it takes, unless something else is wanted meanwhile. */
  async function connected(to, turn) {
    for (let wait = 250; turn === turns; wait = Math.min(2 * wait, 5000)) {
      try {
        const asked = await ask(connect, to.range, (text) => turn === turns && failed(text));
        said = "";
        return asked;
      } catch (error) {
        said = `${error.message}: trying again …`;
        await sleep(wait);
      }
    }
    return null;
  }

  /** A value of the column, among those of the newest rows: the first in the alphabet, so that it is mostly the same. */
  async function oneOf(table, time, column) {
    const view = await table.view({ columns: [column], sort: [[time, "desc"]] });
    const found = (await view.to_columns({ start_row: 0, end_row: 200 }))[column];
    await view.delete();
    return found.filter((value) => value !== null).sort()[0] ?? null;
  }

  /** The first two text columns that TDengine can group by: of some it cannot, JSON say. */
  async function groupsOf(table, own) {
    const [found, asked] = [[], connection];
    asked.hushed = true;
    for (const [name, type] of own) {
      if (type !== "string" || found.length === 2) continue;
      try {
        await (await table.view({ group_by: [name], columns: [own[0][0]] })).delete();
        found.push(name);
      } catch {}
    }
    asked.hushed = false;
    return found;
  }

  /** Let the viewer ask a client, and forget the one before: or it goes on with that one's table of the same name. */
  async function load(client) {
    await viewer.eject();
    await viewer.load(client);
  }

  async function openHistory(to, begin, turn) {
    connection = await connected(to, turn);
    if (connection === null) return;
    const { client, lost, rest } = connection;
    lost.catch(() => turn === turns && again(to, begin));
    const names = await client.get_hosted_table_names();
    tables.replaceChildren(...names.map((name) => new Option(name, name)));
    if (!names.includes(to.table)) throw new Error(`There is no table ${to.table} in ${database}.`);
    tables.value = to.table;
    const table = await client.open_table(to.table);
    const [known, schema] = [await table.columns(), await table.schema()];
    const columns = known.map((name) => [name, schema[name]]);
    const split = views.ownColumns(columns);
    const unit = unitOf(to.range);
    let grouped = null;
    const make = async (name) => {
      if (name === "Rows") return views.historyViews(split, unit)[0].config;
      grouped ??= await groupsOf(table, split.own);
      const one = grouped.length && ["Candles", "Lines"].includes(name) ? await oneOf(table, split.time, grouped[0]) : null;
      return views.historyViews(split, unit, grouped, one).find((made) => made.name === name).config;
    };
    /** Candles come over a day, unless the visitor has named a time. */
    const elsewhere = (name) => {
      const widen = name === "Candles" && to.range in RANGES && to.range !== "1d";
      if (widen) go({ ...to, range: "1d" }, { name });
      return widen;
    };
    if (turn !== turns) return;
    await load(client);
    if (turn !== turns) return;
    offering = offer.offerViews({
      ...{ viewer, columns, make, elsewhere, rest, begin, views, memory, theme, note, remote: true },
      of: `history ${database}.${to.table}`,
      names: views.historyViews(split, unit).map(({ name }) => name),
      settings: { table: to.table, title: `${to.table}: ${titleOf(to)}` },
      link: { history: to },
    });
    await offering.ready;
    if (turn === turns && (await table.size()) === 0) said = "no rows in this time";
  }

  /**
   * Go to a place, and there to the view that `begin` names, else to the one that was shown there. Whatever is being
   * asked is given up; what was shown is remembered, to go back to if it cannot be shown, unless that is `otherwise`.
   */
  async function go(to, begin = null, otherwise = null) {
    const turn = ++turns;
    said = "";
    find("nav").setAttribute("aria-busy", true);
    const [left, from] = [offering, at];
    offering = null;
    const [old, idle] = [connection, connection?.asking == null];
    connection = null;
    if (!idle) old.drop("given up");
    await (leaving = leaving.then(() => left?.leave()));
    if (left?.shown) {
      shownAt.set(keyOf(from), left.shown);
      good = { at: from, shown: left.shown };
    }
    good = otherwise ?? good;
    if (turn !== turns) return old?.drop("given up");
    at = to;
    last = to ?? last;
    session(to);
    draw();
    begin ??= shownAt.get(keyOf(to)) ?? null;
    try {
      if (to !== null) await openHistory(to, begin, turn);
      else {
        await load(engine);
        if (turn !== turns) return;
        offering = offer.offerViews({ ...live, begin });
        await offering.ready;
      }
    } catch (error) {
      if (turn === turns) to === null ? note(error.message) : failed(error.message);
    } finally {
      old?.drop("given up"); // only now, because the viewer has its old view deleted there
    }
  }

  /** Ask anew after the connection was lost. */
  function again(to, begin) {
    connection?.drop("the connection is lost");
    go(to, offering?.shown ?? begin);
  }

  /** Show again what was shown before that which cannot be; in the end that is Live. */
  function back() {
    const to = offering?.shown ? { at, shown: offering.shown } : good;
    return go(to.at, to.shown, { at: null, shown: shownAt.get(null) });
  }

  function failed(text) {
    noted.add(text.replace(/^Abort\(\): /, ""));
    note(text.replace(/^Abort\(\): /, "").replace(/^./, (letter) => letter.toUpperCase()));
    connection?.drop(text);
    back();
  }

  /** Keep in mind where this tab is, for when it is loaded again. */
  function session(to) {
    try {
      to === null ? sessionStorage.removeItem("history") : sessionStorage.setItem("history", JSON.stringify(to));
    } catch {}
  }

  /** Where a link leads, or where this tab was; the view that a link asks for goes with it. */
  function start() {
    const link = offer.linked();
    if (link) return go(placeOf(link.history), { name: link.name, view: link.view, whose: "in the link" });
    try {
      return go(placeOf(JSON.parse(sessionStorage.getItem("history"))));
    } catch {
      return go(null);
    }
  }

  /** A place that came from outside, if it is one. */
  function placeOf(named) {
    const { table, range } = named ?? {};
    const fits = typeof table === "string" && (range in RANGES || /^\d{1,14}-\d{1,14}$/.test(range));
    return fits ? { table, range } : null;
  }

  /** Milliseconds as an input for a local time has them, to the second. */
  const local = (time) => new Date(time - new Date(time).getTimezoneOffset() * 60000).toISOString().slice(0, 19);

  function openBetween() {
    custom = true;
    const length = { "1m": 6e4, "1h": 36e5 }[at.range] ?? 864e5;
    const [from, to] = at.range in RANGES ? [now() - length, now()] : at.range.split("-").map(Number);
    [between.elements.from.value, between.elements.to.value] = [local(from), local(to)];
    draw();
  }

  for (const [value, text] of [...Object.entries(RANGES), ["", "From – to"]]) {
    const button = Object.assign(document.createElement("button"), { value, textContent: text });
    button.addEventListener("click", () => {
      if (!value) return openBetween();
      custom = false;
      return go({ ...at, range: value });
    });
    ranges.append(button);
  }
  between.addEventListener("submit", (event) => {
    event.preventDefault();
    const [from, to] = ["from", "to"].map((name) => new Date(between.elements[name].value).getTime());
    if (!(from < to)) return note("A time range begins before it ends.");
    custom = false;
    return go({ ...at, range: `${from}-${to}` });
  });
  tables.addEventListener("change", () => go({ ...at, table: tables.value }));
  find("#cancel").addEventListener("click", back);
  find("#mode").addEventListener("click", ({ target }) => {
    if (target.value === "live" && at !== null) go(null);
    if (target.value === "history" && at === null) go(last);
  });
  addEventListener("hashchange", () => offer.linked() && start());
  find("#mode button[value=history]").disabled = false;
  setInterval(drawAsking, 100);
  return start();
}
