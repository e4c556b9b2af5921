/** The connection to the server: a Perspective client over a websocket, made anew whenever it is lost. */

import { seen } from "./waiting.js";

/**
 * How the connection to the live table is: `heard` is when rows last came over it, null while there is none that they
 * come over, `lost` is since when that is so, and `problem` why. `drop()` gives it up, to have another.
 */
export const connection = { heard: null, lost: Infinity, problem: "", drop() {} };

let rested = () => {};
const rest = (milliseconds) => new Promise((resolve) => setTimeout((rested = resolve), milliseconds));

/** Try again at once, where that is likely to succeed. */
export const wake = () => rested();

/**
 * Open a websocket of the server's: a Perspective client, a promise that fails when it is lost, `drop()`, and `send()`.
 * `tap.received` is told of each message that comes, and `tap.sent` of each that goes: they may keep it back (false).
 */
export async function connect(path, tap = {}) {
  const address = new URL(path, location);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  let [lose, problem] = [null, "the server does not take the connection"];
  const lost = new Promise((_, reject) => (lose = (reason) => reject(new Error(reason || problem))));
  socket.onclose = ({ reason }) => lose(reason);
  await Promise.race([new Promise((resolve) => (socket.onopen = resolve)), lost]);
  problem = "the connection is lost";
  // What perspective.websocket() would make, but that it keeps the socket, and whether it is lost, to itself.
  const { Client } = customElements.get("perspective-viewer").__wasm_module__;
  const open = () => socket.readyState === WebSocket.OPEN; // or the browser logs an error
  const send = (bytes) => tap.sent?.(bytes) !== false && open() && socket.send(bytes);
  const client = new Client(
    async (bytes) => send(bytes.slice()),
    async () => socket.close(),
  );
  socket.onmessage = ({ data }) => {
    const bytes = new Uint8Array(data);
    if (tap.received?.(bytes) !== false) client.handle_response(bytes);
  };
  const drop = () => {
    socket.onmessage = null;
    socket.close();
    lose();
  };
  return { client, lost, drop, send };
}

/**
 * Stay connected to the live table for as long as somebody looks at the page, at the path that `wanted()` tells.
 * `subscribe(client)` asks the server, and is given up where the connection is lost meanwhile; `replicate` is given what
 * it has found, and the path, and `refused` the error that the server has answered.
 */
export async function stayConnected(wanted, subscribe, replicate, refused) {
  document.addEventListener("visibilitychange", () => (document.hidden ? connection.drop() : wake()));
  for (let wait = 250; ; wait = Math.min(2 * wait, 5000)) {
    await seen();
    const path = wanted();
    let there = false;
    try {
      const { client, lost, drop } = await connect(path);
      connection.drop = drop;
      there = true;
      lost.catch(() => (there = false));
      if (path !== wanted()) drop();
      await replicate(await Promise.race([subscribe(client), lost]), path);
      wait = 125;
      await lost;
    } catch (error) {
      if (there && path === wanted()) refused(error);
      connection.drop();
      const lost = connection.heard === null ? Math.min(connection.lost, performance.now()) : performance.now();
      Object.assign(connection, { heard: null, lost, problem: error.message, drop() {} });
      if (path === wanted()) await rest(wait);
      else wait = 125;
    }
  }
}
