import { installClocks } from "./clock-globals.ts";
import { installConsole } from "./console.ts";
import { installConvexGlobal } from "./convex-global.ts";
import { installEnvironmentVariables } from "./environment-variables.ts";
import { installFetch } from "./fetch-globals.ts";
import { installFunctionConstructor } from "./function-constructor.ts";
import { installMemoryAccounting } from "./memory-globals.ts";
import { installOtherGlobals } from "./other-globals.ts";
import { installRandomness } from "./random-globals.ts";
import { installTimers } from "./timer-globals.ts";
import { watchUnhandledRejections } from "./unhandled-rejections.ts";
import { installWebAssembly } from "./wasm-globals.ts";

/** Once, before any user module: bundled libraries keep references to the globals they saw at import. */
export function installGlobals(): void {
  watchUnhandledRejections();
  installClocks();
  installRandomness();
  installTimers();
  installFetch();
  installConsole();
  installEnvironmentVariables();
  installConvexGlobal();
  installMemoryAccounting();
  installWebAssembly();
  installFunctionConstructor();
  installOtherGlobals();
}
