/**
 * What keeps the page from starting, and what becomes of it then.
 *
 * No module, as a browser does not load those from disk.
 */

if (location.protocol === "file:") {
  // Beside a page that is opened from disk ./run.sh says where its server is.
  const told = document.createElement("script");
  told.src = "logs/server.js";
  told.onload = () => handOver(runningAt);
  told.onerror = () => handOver("http://localhost:8080/");
  document.head.append(told);
} else if (!able) {
  tell("refused", "cannot work here", "");
  document.querySelector("#progress").textContent =
    "This page needs WebAssembly and WebSocket: use a browser that has them, or allow them.";
}

function tell(state, text, reason) {
  const [shown, why] = [document.querySelector("#state"), document.querySelector("#reason")];
  if (shown.textContent === text) return;
  shown.dataset.state = state;
  shown.textContent = text;
  why.textContent = why.title = reason;
}

/** Opened from disk: go to the server's own address as soon as it answers. */
async function handOver(server) {
  document.querySelector("#theme").disabled = true; // Colours are chosen there.
  for (;;) {
    try {
      await fetch(server + "status", { mode: "no-cors" });
      return location.replace(server);
    } catch {
      tell("waiting", "no server yet", `start it with ./run.sh (this page keeps trying ${server})`);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
