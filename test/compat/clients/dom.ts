import { JSDOM } from "jsdom";

/**
 * A document for React; imported before `react-dom`. Not vitest's jsdom environment, which puts its own `Event` beside
 * the WebSocket of Node: no socket opens there.
 */
const { window } = new JSDOM("<!doctype html><body></body>");

for (const name of ["document", "window", "MutationObserver", "HTMLElement", "Node"] as const) {
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true });
}
