// The Node service: runs `"use node"` actions for one deployment. docs/node-actions.md.
import { startService } from "./start.ts";

try {
  await startService();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
