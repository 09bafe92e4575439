import { once } from "node:events";

/** The part of `Profiler.stop`'s answer that is used. Times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
      readonly columnNumber: number;
    };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
  readonly startTime: number;
  readonly endTime: number;
}

interface Target {
  readonly title: string;
  readonly webSocketDebuggerUrl: string;
}

/** A client of the runtime's debugging protocol: CPU profiles of one isolate. */
export class Inspector {
  readonly title: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #next = 1;

  private constructor(title: string, socket: WebSocket) {
    this.title = title;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
      if (id !== undefined) this.#waiting.get(id)?.(result);
    });
  }

  /** One per isolate whose name matches. To profile more than is looked at slows the runtime down for nothing. */
  static async matching(port: number, name: RegExp): Promise<Inspector[]> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as Target[];
    return Promise.all(
      targets
        .filter(({ title }) => name.test(title))
        .map(async ({ title, webSocketDebuggerUrl }) => {
          const socket = new WebSocket(webSocketDebuggerUrl);
          await once(socket, "open");
          return new Inspector(title, socket);
        }),
    );
  }

  async start(): Promise<void> {
    await this.#call("Profiler.enable");
    await this.#call("Profiler.setSamplingInterval", { interval: 500 });
    await this.#call("Profiler.start");
  }

  async stop(): Promise<CpuProfile> {
    const { profile } = (await this.#call("Profiler.stop")) as { profile: CpuProfile };
    this.#socket.close();
    return profile;
  }

  #call(method: string, params: object = {}): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
