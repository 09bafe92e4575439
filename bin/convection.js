#!/usr/bin/env node
// Runs dist/cli.js under the Node version this package pins (npm package "node"), whatever Node the host has.
// Plain JavaScript that Node 20 understands, without dependencies.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cli = join(root, "dist", "cli.js");

function fail(message) {
  process.stderr.write(`convection: ${message}\n`);
  process.exit(1);
}

function pinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve("node/package.json");
    const binary = join(dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node");
    return existsSync(binary) ? realpathSync(binary) : undefined;
  } catch {
    // The package is not installed; whether the host's Node will do is decided below.
    return undefined;
  }
}

if (!existsSync(cli)) fail(`${cli} is missing. Run: npm run build`);

const node = pinnedNode();
if (node === undefined || node === realpathSync(process.execPath)) {
  if (Number(process.versions.node.split(".")[0]) < 24) {
    fail(`Node ${process.versions.node} is too old and the pinned one is not installed. Run: npm ci`);
  }
  await import(pathToFileURL(cli).href);
} else {
  // The extra channel tells the child when this process is killed without a chance to forward anything.
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`cannot run ${node}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
