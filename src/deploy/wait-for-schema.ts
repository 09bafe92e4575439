import { must } from "../shared/assert.ts";
import { loadActiveApp } from "./active-app.ts";
import type { DeployPorts } from "./ports.ts";
import type { WaitForSchemaBody } from "./push-body.ts";
import { PushWork } from "./push-work.ts";

export type SchemaStatus =
  | { readonly type: "inProgress"; readonly components: Readonly<Record<string, object>> }
  | { readonly type: "failed"; readonly error: string; readonly componentPath: string; readonly tableName: string }
  | { readonly type: "raceDetected" }
  | { readonly type: "complete" };

/**
 * Works on the push for up to `timeoutMs`. The client asks again at once, so the request itself does the work: it
 * never answers early with nothing done, and never waits idle.
 */
export async function waitForSchema(body: WaitForSchemaBody, ports: DeployPorts): Promise<SchemaStatus> {
  const ticket = await ports.tokens.verify(body.schemaChange.pushToken);
  if (body.dryRun) return { type: "complete" };
  const deadline = ports.clock.now() + Math.min(body.timeoutMs ?? ports.settings.maxWaitMs, ports.settings.maxWaitMs);
  const next = must(await ports.code.app(ticket.version), `app version ${ticket.version}`);
  const { values } = await ports.persistence.loadCatalog();
  const active = await loadActiveApp(values, ports.code);

  const opened = await PushWork.open(ports, ticket, next, active?.app ?? null);
  if (opened.state === "finished") return { type: "complete" };
  if (opened.state === "outdated") return { type: "raceDetected" };
  const result = await opened.work.run(deadline);
  switch (result) {
    case "complete":
      return { type: "complete" };
    case "inProgress":
      return { type: "inProgress", components: opened.work.status() };
    case "outdated":
      return { type: "raceDetected" };
    default:
      return { type: "failed", error: result.message, componentPath: result.component, tableName: result.table };
  }
}
