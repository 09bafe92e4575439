import { installGlobals } from "./install-globals.ts";

installGlobals();

export { Harness } from "./harness.ts";
export { loadModule } from "./module-table.ts";
