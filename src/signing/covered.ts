/**
 * What a signature covers. Not the scheme, host or port: the Worker and the service meet through proxies and container
 * networks that rewrite them, and each pair shares a key with nobody else. The path is covered as it arrives, so a
 * proxy may not rewrite it.
 */
export const COVERED = ["@method", "@path", "@query", "content-digest"] as const;

export const REQUIRED_PARAMETERS = ["created", "expires", "nonce", "keyid", "alg", "tag"] as const;

/** Which way a request goes. A request of one direction is never accepted in the other. */
export type Direction = "to-service" | "to-worker";

export function directionTag(direction: Direction): string {
  return `convection-${direction}`;
}

/** Only path and query of it are signed. */
export function targetUri(target: string): string {
  return `http://internal${target}`;
}

/** Path and query of a URL, as they stand in the request line. */
export function targetOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}
