import { build } from "../../../scripts/build.ts";

export async function setup(): Promise<void> {
  await build(["node-actions"]);
}
