/** Waiting: for a while, or until somebody looks. */

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Wait until somebody looks at the page: hidden, it holds no connection and asks for nothing. */
export async function seen() {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}
