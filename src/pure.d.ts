// The few globals that every JavaScript host has, for the folders compiled without Workers, DOM or Node types
// (tsconfig.pure.json). What is not here is not there: clock, randomness and storage are passed in.

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, into: Uint8Array): { readonly read: number; readonly written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBuffer | Uint8Array): string;
}

declare class URL {
  constructor(url: string, base?: string);
  readonly origin: string;
  readonly protocol: string;
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
  readonly search: string;
  readonly href: string;
}

declare function atob(text: string): string;
declare function btoa(text: string): string;
declare function structuredClone<T>(value: T): T;
declare function queueMicrotask(callback: () => void): void;

// Named in the RPC surface of the isolate (src/protocol/invocation.ts), never built here.
interface Request {
  readonly url: string;
  readonly method: string;
}
interface Response {
  readonly status: number;
}

// Named in the port of file storage (src/engine/file-store.ts), never built here.
interface ReadableStream<R = unknown> {
  getReader(): { read(): Promise<{ readonly done: boolean; readonly value?: R }> };
}
