import { accessSync, constants } from "node:fs";
import { Refusal } from "../refusal.ts";

/** What `convex.json` may ask for on Convex. */
const OFFERED = new Set(["20", "22", "24"]);

/** Versions of Node on this machine, by major. */
export class NodeVersions {
  readonly #binaries = new Map<string, string>();

  /**
   * `configured` = `20=/path/to/node,22=…`. The service's own version is always there; an entry for it replaces the
   * binary, so that a service with capabilities of its own doesn't hand them to user code.
   */
  constructor(configured: string) {
    for (const part of configured.split(",").filter((text) => text.trim() !== "")) {
      const match = /^\s*(\d+)\s*=\s*(\S+)\s*$/.exec(part);
      const [, major = "", binary = ""] = match ?? [];
      if (match === null) throw new Error(`CONVECTION_NODE_BINARIES: ${part} is not <version>=<file>.`);
      accessSync(binary, constants.X_OK);
      this.#binaries.set(major, binary);
    }
    if (!this.#binaries.has(ownMajor())) this.#binaries.set(ownMajor(), process.execPath);
  }

  /** Of the same version as the service. */
  get own(): string {
    return this.#binaries.get(ownMajor()) ?? process.execPath;
  }

  /**
   * The binary for `node.nodeVersion` of `convex.json`, null = any. A version that Convex offers and that is not here is
   * stood in for by the next newer one: Node keeps what older code relies on, and the app deploys without a change.
   */
  binary(version: string | null): string {
    if (version === null) return this.own;
    const binary = this.#binaries.get(version) ?? (OFFERED.has(version) ? this.#newer(Number(version)) : undefined);
    if (binary !== undefined) return binary;
    const present = [...this.#binaries.keys()].toSorted().join(", ");
    const message =
      `Node.js ${version}, which \`node.nodeVersion\` in convex.json asks for, is not installed where Node actions run ` +
      `(installed: ${present}). Change convex.json or see CONVECTION_NODE_BINARIES in docs/node-actions.md.`;
    throw new Refusal(422, "NodeVersionNotInstalled", message);
  }

  #newer(version: number): string | undefined {
    const majors = [...this.#binaries.keys()].map(Number).filter((major) => major > version);
    return this.#binaries.get(String(Math.min(...majors)));
  }
}

function ownMajor(): string {
  return process.versions.node.split(".")[0] ?? "";
}
