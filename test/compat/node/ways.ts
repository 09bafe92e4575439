import type { Value } from "convex/values";
import type { Api, Json } from "../runtime/api.ts";

/** How an action in Node is called. */
export interface Way {
  value(api: Api, path: string, args?: Value): Promise<Json>;
  /** What the caller is told of a failure, without what the actions between add to it. */
  error(api: Api, path: string, args?: Value): Promise<string>;
}

const direct: Way = {
  value: (api, path, args = {}) => api.value("action", path, args),
  error: (api, path, args = {}) => api.error("action", path, args),
};

/** `by`: an action that calls the one it is told to. */
function relayed(by: string): Way {
  return {
    value: (api, name, args = {}) => api.value("action", by, { name, args }),
    async error(api, name, args = {}) {
      const text = await api.error("action", by, { name, args });
      return text.replace(/^Uncaught \w+: /, "").replace(/(?:\n {4}at [^\n]*)+\s*$/, "");
    },
  };
}

/** Rows of what an action in Node does hold for each of them. For `describe.each`; the app is `node-app`. */
export const WAYS: readonly (readonly [string, Way])[] = [
  ["over HTTP", direct],
  ["through ctx.runAction of the default runtime", relayed("notes:relay")],
  ["through ctx.runAction of a Node action", relayed("work:relay")],
];
