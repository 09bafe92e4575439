export interface BoundedBody {
  readonly response: Response;
  /** Resolves when the last byte was handed on, or the client has gone. */
  readonly ended: Promise<{ readonly tooLarge: boolean }>;
  /** Breaks the body off. */
  cut(): void;
}

/** The response with a body of at most `limit` bytes: the chunk that passes it, and all behind it, are dropped. */
export function boundedBody(response: Response, limit: number): BoundedBody {
  if (response.body === null) {
    return { response, ended: Promise.resolve({ tooLarge: false }), cut: () => undefined };
  }
  const abort = new AbortController();
  let sent = 0;
  let tooLarge = false;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sent += chunk.byteLength;
      tooLarge ||= sent > limit;
      if (!tooLarge) controller.enqueue(chunk);
    },
  });
  const piped = response.body.pipeTo(counted.writable, { signal: abort.signal });
  const end = (): { tooLarge: boolean } => ({ tooLarge });
  return {
    response: new Response(counted.readable, response),
    // A client that hangs up, or a body that fails, ends it too: its reader has seen it break off.
    ended: piped.then(end, end),
    cut: () => abort.abort(),
  };
}
