import { installGlobals } from "./install-globals.ts";

installGlobals();

export { Harness } from "./harness.ts";
export { loadModule } from "./module-table.ts";
export { defineModule, evaluateShared } from "./realm.ts";
