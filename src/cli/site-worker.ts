/**
 * Listens on the site port, on this machine only, and hands every request to the backend under the public site origin, which is how the
 * backend tells HTTP actions from its API. Whatever name the caller used (localhost, a LAN address), the URL that
 * user code sees begins with `CONVEX_SITE_URL`. Bodies stream through in both directions.
 */
export const SITE_WORKER = `
export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    const forwarded = new Request(env.CONVEX_SITE_URL + pathname + search, request);
    const { headers } = forwarded;
    if (!headers.has("cf-connecting-ip") && !headers.has("x-forwarded-for")) headers.set("cf-connecting-ip", "127.0.0.1");
    return env.BACKEND.fetch(forwarded);
  },
};
`;
