import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Gauges {
  readonly running: () => number;
  readonly waiting: () => number;
  readonly processes: () => Readonly<Record<string, number>>;
  readonly cacheBytes: () => number;
}

/** Numbers only: no names of functions, which would tell what an app does. */
export class Metrics {
  readonly #registry = new Registry();
  readonly executions: Counter<"outcome">;
  readonly refused: Counter<"code">;
  readonly callbacks: Counter<"op" | "outcome">;
  readonly starts: Counter<"kind">;
  readonly duration: Histogram;

  constructor(gauges: Gauges) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.executions = new Counter({
      name: "convection_node_executions_total",
      help: "Actions that ended, by outcome: ok, failed or abandoned.",
      labelNames: ["outcome"],
      registers,
    });
    this.refused = new Counter({
      name: "convection_node_refused_total",
      help: "Requests that were refused, by code.",
      labelNames: ["code"],
      registers,
    });
    this.callbacks = new Counter({
      name: "convection_node_callbacks_total",
      help: "Operations that actions asked of the deployment, by operation and outcome.",
      labelNames: ["op", "outcome"],
      registers,
    });
    this.starts = new Counter({
      name: "convection_node_starts_total",
      help: "Actions by the process they got: warm (used before) or cold.",
      labelNames: ["kind"],
      registers,
    });
    this.duration = new Histogram({
      name: "convection_node_execution_seconds",
      help: "Running time of actions.",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600],
      registers,
    });
    gauge("convection_node_running", "Actions that run now.", gauges.running, registers);
    gauge("convection_node_waiting", "Actions that wait for their turn.", gauges.waiting, registers);
    gauge("convection_node_cache_bytes", "Size of the package cache.", gauges.cacheBytes, registers);
    const processes = new Gauge({
      name: "convection_node_processes",
      help: "Processes for user code, by state.",
      labelNames: ["state"],
      registers,
      collect: () => {
        for (const [state, count] of Object.entries(gauges.processes())) processes.set({ state }, count);
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

function gauge(name: string, help: string, value: () => number, registers: Registry[]): void {
  const created: Gauge = new Gauge({ name, help, registers, collect: () => created.set(value()) });
}
