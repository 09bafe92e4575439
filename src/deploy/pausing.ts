import { DEPLOYMENT_STATE, type DeploymentState, deploymentStateOf } from "../runtime/code/deployment-state.ts";
import { commitWithRetry } from "./catalog-retry.ts";
import type { DeployPorts } from "./ports.ts";

type PausingPorts = Pick<DeployPorts, "persistence" | "committer" | "clock" | "waitForLeases"> & {
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
    await commitWithRetry(committer, async () => {
      const { head, values } = await persistence.loadCatalog();
      const value = next(deploymentStateOf(values), clock.now());
      if (value === null) return null;
      return { expectedCatalogTs: head.catalogTs, change: { values: [{ key: DEPLOYMENT_STATE, value }] } };
    });
    // Of a change that somebody else made a moment ago, too.
    await waitForLeases();
  }
}
