/** What the Worker tells a Sync object about a socket that it passes on. */
export interface ConnectRequest {
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Whether the client understands `TransitionChunk`. */
  readonly chunks: boolean;
}

const DETAILS = "convection-connect";

/** The upgrade as the object gets it. Nothing of the client's own request goes along. */
export function upgradeRequest(details: ConnectRequest): Request {
  return new Request("https://sync/", {
    headers: { Upgrade: "websocket", [DETAILS]: encodeURIComponent(JSON.stringify({ v: 1, ...details })) },
  });
}

export function connectRequestOf(request: Request): ConnectRequest {
  // Written by `upgradeRequest`: no client reaches the object by itself.
  const { ip, userAgent, chunks }: ConnectRequest = JSON.parse(
    decodeURIComponent(request.headers.get(DETAILS) ?? "%7B%7D"),
  );
  return { ip, userAgent, chunks };
}
