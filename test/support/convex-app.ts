import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { convex, type CliResult } from "./convex-cli.ts";
import { ROOT } from "./paths.ts";

type Target = { readonly url: string; readonly adminKey: string };

/** An app in a temporary directory, written by its test file by file. */
export class ConvexApp implements Disposable {
  readonly path: string;

  /** Path → text; paths are relative to the app. */
  constructor(files: Readonly<Record<string, string>> = {}) {
    this.path = mkdtempSync(join(tmpdir(), "convection-app-"));
    symlinkSync(join(ROOT, "node_modules"), join(this.path, "node_modules"));
    this.write({
      "package.json": `{ "name": "app", "type": "module", "dependencies": { "convex": "1.48.0" } }`,
      ...files,
    });
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, path)), { recursive: true });
      writeFileSync(join(this.path, path), text);
    }
  }

  remove(path: string): void {
    rmSync(join(this.path, path), { recursive: true });
  }

  has(path: string): boolean {
    return existsSync(join(this.path, path));
  }

  read(path: string): string {
    return readFileSync(join(this.path, path), "utf8");
  }

  /** Runs the official CLI in the app to its end. */
  convex(target: Target, ...args: readonly string[]): Promise<CliResult> {
    return convex(this.path, target, args);
  }

  /** `convex deploy`, which must succeed. */
  async deploy(target: Target, ...args: readonly string[]): Promise<CliResult> {
    const result = await this.convex(target, "deploy", "--typecheck", "disable", ...args);
    if (result.code !== 0) throw new Error(`the push failed\n${result.stdout}\n${result.stderr}`);
    return result;
  }

  /** `convex deploy`, which must fail. Returns what it printed. */
  async failedDeploy(target: Target, ...args: readonly string[]): Promise<string> {
    const result = await this.convex(target, "deploy", "--typecheck", "disable", ...args);
    if (result.code === 0) throw new Error(`the push did not fail\n${result.stdout}\n${result.stderr}`);
    return result.stderr;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** `schema.ts` of the given tables: name → what is passed to `defineTable`, then calls on it. */
export function schemaFile(tables: Readonly<Record<string, string>>, options = "{}"): string {
  const lines = Object.entries(tables).map(([name, table]) => `  ${name}: defineTable${table},`);
  return [
    `import { defineSchema, defineTable } from "convex/server";`,
    `import { v } from "convex/values";`,
    `export default defineSchema({`,
    ...lines,
    `}, ${options});`,
    "",
  ].join("\n");
}
