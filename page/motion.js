/** How much may move: little, where the visitor has asked the system for that. */

export const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Let the viewer draw as often as rows come, or once a second. */
export function calm(viewer) {
  const throttle = () => viewer.setThrottle(still.matches ? 1000 : undefined);
  still.addEventListener("change", throttle);
  throttle();
}
