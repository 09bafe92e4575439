import { z } from "zod";
import { SettingsError } from "./parse-settings.ts";

/** Where events of the function log go besides the log itself; null: nowhere. */
export interface LogStreamSettings {
  readonly webhook: WebhookSettings | null;
  readonly sentry: SentrySettings | null;
  readonly about: AboutDeployment;
}

export interface WebhookSettings {
  readonly url: string;
  /** Signs every body. */
  readonly secret: string;
  readonly format: "json" | "jsonl";
}

/** A DSN taken apart. */
export interface SentrySettings {
  readonly endpoint: string;
  readonly publicKey: string;
}

/** What receivers that hear from several deployments tell them apart by. */
export interface AboutDeployment {
  readonly name: string;
  readonly type: "prod" | "dev" | "preview";
  readonly project: string;
}

const DSN_TEXT = "must be a Sentry DSN: https://<key>@<host>/<project>";

/** An old DSN has a secret behind the key, which nothing needs any more. */
const DSN = /^(https?:\/\/)([^:@/]+)(?::[^@/]*)?@([^@/]+(?:\/[^?#]+)?)\/(\d+)$/;

const dsn = z
  .string(DSN_TEXT)
  .regex(DSN, DSN_TEXT)
  .transform((text): SentrySettings => {
    const [, scheme = "", publicKey = "", place = "", project = ""] = DSN.exec(text) ?? [];
    return { endpoint: `${scheme}${place}/api/${project}/envelope/`, publicKey };
  });

const variables = z.object({
  CONVECTION_INSTANCE_NAME: given(z.string()),
  CONVECTION_LOG_STREAM_URL: given(z.url({ protocol: /^https?$/, error: "must be an http or https URL" })),
  CONVECTION_LOG_STREAM_SECRET: given(z.string("must be text")),
  CONVECTION_LOG_STREAM_FORMAT: given(z.literal(["json", "jsonl"], "must be json or jsonl")),
  CONVECTION_SENTRY_DSN: given(dsn),
  CONVECTION_DEPLOYMENT_TYPE: given(z.literal(["prod", "dev", "preview"], "must be prod, dev or preview")),
  CONVECTION_PROJECT_NAME: given(z.string("must be text")),
});

/** Reads them from Worker variables and secrets. The message never shows a value. */
export function parseLogStreams(vars: Readonly<Record<string, unknown>>): LogStreamSettings {
  const parsed = variables.safeParse(vars);
  if (!parsed.success) {
    throw new SettingsError(parsed.error.issues.map(({ path, message }) => `${String(path[0])} ${message}.`).join(" "));
  }
  const all = parsed.data;
  const name = all.CONVECTION_INSTANCE_NAME ?? "convection";
  return {
    webhook: webhookOf(all),
    sentry: all.CONVECTION_SENTRY_DSN ?? null,
    about: {
      name,
      type: all.CONVECTION_DEPLOYMENT_TYPE ?? "prod",
      project: all.CONVECTION_PROJECT_NAME ?? name,
    },
  };
}

function webhookOf(all: z.output<typeof variables>): WebhookSettings | null {
  const { CONVECTION_LOG_STREAM_URL: url, CONVECTION_LOG_STREAM_SECRET: secret } = all;
  if (url === undefined) return null;
  if (secret !== undefined) return { url, secret, format: all.CONVECTION_LOG_STREAM_FORMAT ?? "json" };
  throw new SettingsError(
    "CONVECTION_LOG_STREAM_SECRET must be set when CONVECTION_LOG_STREAM_URL is: bodies are signed with it.",
  );
}

/** An empty variable is one that is not set. */
function given<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (value === "" ? undefined : value), schema.optional()).optional();
}
