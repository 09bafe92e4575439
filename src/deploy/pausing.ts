import { DEPLOYMENT_STATE, type DeploymentState, deploymentStateOf } from "../runtime/code/deployment-state.ts";
import { commitWithRetry } from "./catalog-retry.ts";
import type { DeployPorts } from "./ports.ts";

type PausingPorts = Pick<DeployPorts, "persistence" | "committer" | "clock" | "waitForLeases" | "history"> & {
  /** Jobs that waited may go on. */
  resumed(): Promise<void>;
};

/** Pauses the deployment: no function is called, what is scheduled waits, cron jobs are skipped. Pushes go on. */
export class Pausing {
  readonly #ports: PausingPorts;

  constructor(ports: PausingPorts) {
    this.#ports = ports;
  }

  /** When it returns, no call begins any more. */
  async pause(): Promise<void> {
    await this.#change((present, now) => (present?.state === "paused" ? null : { state: "paused", pausedFrom: now }));
  }

  async resume(): Promise<void> {
    await this.#change((present, now) =>
      present?.state === "paused" ? { state: "running", pausedFrom: present.pausedFrom, pausedTo: now } : null,
    );
    await this.#ports.resumed();
  }

  /** `next`: null when there is nothing to change. */
  async #change(next: (present: DeploymentState | null, now: number) => DeploymentState | null): Promise<void> {
    const { persistence, committer, clock, waitForLeases } = this.#ports;
    const history = await this.#ports.history.begin();
    await commitWithRetry(committer, async () => {
      const { head, values } = await persistence.loadCatalog();
      const present = deploymentStateOf(values);
      const value = next(present, clock.now());
      if (value === null) return null;
      const metadata = { old_state: present?.state ?? "running", new_state: value.state };
      const told = history.changes(values, [{ action: "change_deployment_state", metadata }]);
      return { expectedCatalogTs: head.catalogTs, change: { values: [{ key: DEPLOYMENT_STATE, value }, ...told] } };
    });
    await this.#ports.history.record();
    // Of a change that somebody else made a moment ago, too.
    await waitForLeases();
  }
}
