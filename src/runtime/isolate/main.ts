import { installGlobals } from "./install-globals.ts";

installGlobals();

export { Harness } from "./harness.ts";
export { loadModule } from "./module-table.ts";
export { installOwnGlobals } from "./own-globals.ts";
export { defineModule, evaluateShared } from "./realm.ts";
