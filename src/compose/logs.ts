import { LogsObject } from "../logs/logs-object.ts";
import type { Bindings } from "./environment.ts";
import { clock } from "./system.ts";

/** The Durable Object class that wrangler.toml names. */
export class Logs extends LogsObject<Bindings> {
  protected override clock() {
    return clock;
  }
}
