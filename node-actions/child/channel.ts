import type { FromChild, ToChild } from "../process/messages.ts";

/** The way to the service. User code doesn't find it on `process`, and a library that looks there sees a plain process. */
export interface Channel {
  send(message: FromChild): void;
  onMessage(listener: (message: ToChild) => void): void;
}

export function takeChannel(): Channel {
  const send = process.send?.bind(process);
  if (send === undefined) throw new Error("This is a child of the Node service and is not started by hand.");
  Object.assign(process, { send: undefined, disconnect: undefined });
  // Without the service there is nobody to work for. `exit` handlers of user code are not asked.
  process.on("disconnect", () => hidden(process).reallyExit(1));
  return {
    send: (message) => void send(message, undefined, undefined, ignoreClosed),
    onMessage: (listener) => void process.on("message", (message) => listener(message as ToChild)),
  };
}

/** The service is gone: `disconnect` follows. */
function ignoreClosed(): void {}

interface Hidden {
  reallyExit(code: number): never;
}

function hidden(target: NodeJS.Process): Hidden {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- in every Node, in no type
  return target as unknown as Hidden;
}
