import { z } from "zod";
import { SettingsError } from "./parse-settings.ts";

/** What a deployment is called, where it is reached, and what its keys are derived from. */
export interface Deployment {
  /** First part of every admin key. */
  readonly instanceName: string;
  /** Master secret, hex. Every other key is derived from it. */
  readonly secret: string;
  /** Still accepted while a rotation is under way. */
  readonly previousSecret: string | null;
  /** Public origin of the API, no trailing slash: `CONVEX_CLOUD_URL`. */
  readonly cloudUrl: string;
  /** Public base of HTTP actions, no trailing slash: `CONVEX_SITE_URL`. */
  readonly siteUrl: string;
  /** Origin of the Node service, which runs `"use node"` actions; null when there is none. */
  readonly nodeActionsUrl: string | null;
  /** Origin of this Worker as the Node service reaches it: `cloudUrl` unless the two meet on another way. */
  readonly nodeCallbackUrl: string;
}

const secret = z
  .string()
  .regex(/^(?:[0-9a-fA-F]{2}){32,}$/, "must be at least 32 random bytes in hexadecimal (openssl rand -hex 32)");

const url = z
  .url({ protocol: /^https?$/, error: "must be an http or https URL" })
  .transform((text) => text.replace(/\/+$/, ""));

const optionalUrl = z.union([url, z.literal("").transform(() => undefined)]).optional();

const variables = z.object({
  CONVECTION_INSTANCE_NAME: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, "must consist of lower-case letters, digits and hyphens")
    .default("convection"),
  CONVECTION_SECRET: secret,
  CONVECTION_SECRET_PREVIOUS: z.union([secret, z.literal("").transform(() => undefined)]).optional(),
  CONVEX_CLOUD_URL: url,
  CONVEX_SITE_URL: url,
  NODE_ACTIONS_URL: optionalUrl,
  NODE_CALLBACK_URL: optionalUrl,
});

/** Reads the identity of the deployment from Worker variables and secrets. The message never shows a value. */
export function parseDeployment(vars: Readonly<Record<string, unknown>>): Deployment {
  const parsed = variables.safeParse(vars);
  if (!parsed.success) {
    const mistakes = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      return vars[name] === undefined ? `${name} is not set.` : `${name} ${issue.message}.`;
    });
    throw new SettingsError(mistakes.join(" "));
  }
  return {
    instanceName: parsed.data.CONVECTION_INSTANCE_NAME,
    secret: parsed.data.CONVECTION_SECRET,
    previousSecret: parsed.data.CONVECTION_SECRET_PREVIOUS ?? null,
    cloudUrl: parsed.data.CONVEX_CLOUD_URL,
    siteUrl: parsed.data.CONVEX_SITE_URL,
    nodeActionsUrl: parsed.data.NODE_ACTIONS_URL ?? null,
    nodeCallbackUrl: parsed.data.NODE_CALLBACK_URL ?? parsed.data.CONVEX_CLOUD_URL,
  };
}
