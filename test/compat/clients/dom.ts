import { JSDOM } from "jsdom";

/**
 * A document for React; imported before `react-dom`. Not vitest's jsdom environment, which puts its own `Event` beside
 * the WebSocket of Node: no socket opens there.
 */
const { window } = new JSDOM("<!doctype html><body></body>");

const NAMES = [
  "document",
  "window",
  "MutationObserver",
  "Node",
  "Text",
  "Comment",
  "Element",
  "HTMLElement",
  "SVGElement",
] as const;

for (const name of NAMES) {
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true });
}
