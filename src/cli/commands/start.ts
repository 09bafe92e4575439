import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { type Deployment, parseDeployment } from "../../protocol/deployment.ts";
import { parseLogStreams } from "../../protocol/log-streams.ts";
import { changedSettings, parseSettings } from "../../protocol/parse-settings.ts";
import { SETTINGS } from "../../protocol/settings.ts";
import { adminKey } from "../admin-key.ts";
import { Backend } from "../backend.ts";
import { CliError, port, text, type Command, type OptionValues } from "../command.ts";
import { say } from "../console.ts";
import { type DataDirectory, DEFAULT_DATA, openDataDirectory, temporaryDataDirectory } from "../data-directory.ts";
import { readMigrations } from "../migrations.ts";
import { NodeService, type NodeServiceOptions } from "../node-service.ts";
import { packageRoot } from "../package-root.ts";
import { freePorts, HOST, startOnPorts } from "../ports.ts";
import { appDirectory, pushApp } from "../push.ts";
import { stopSignal } from "../stop-signal.ts";

const ROOT = packageRoot();

/** Until ports are known. */
const UNKNOWN_URL = `http://${HOST}`;

export const start: Command = {
  usage:
    "convection start [--dir APP] [--port N] [--site-port N] [--node-port N | --no-node-actions] [--data DIR | --ephemeral] [--json]",
  summary: "Runs the backend on this machine: the Worker in miniflare, data on disk.",
  options: {
    dir: { type: "string", value: "APP", help: "push this app once, with the official convex CLI" },
    port: { type: "string", value: "N", help: "port of the API (default 3210, 0 = any free one)" },
    "site-port": { type: "string", value: "N", help: "port of HTTP actions (default 3211, 0 = any free one)" },
    data: { type: "string", value: "DIR", help: `where data is kept (default ${DEFAULT_DATA})` },
    ephemeral: { type: "boolean", help: "keep data in a temporary directory, removed at the end" },
    "node-port": { type: "string", value: "N", help: "port of the Node service (default: any free one)" },
    "no-node-actions": { type: "boolean", help: 'run without the Node service: no "use node" actions' },
    json: { type: "boolean", help: "print one line of JSON on stdout when ready" },
    worker: { type: "string", value: "FILE", help: null },
    migrations: { type: "string", value: "DIR", help: null },
    "inspector-port": { type: "string", value: "N", help: null },
  },
  run,
};

async function run(options: OptionValues): Promise<void> {
  const given = workerEnvironment();
  const settings = parseSettings(given);
  parseLogStreams(given);
  // One that is named runs already, elsewhere.
  const ownNode = options["no-node-actions"] !== true && given["NODE_ACTIONS_URL"] === undefined;
  const app = text(options, "dir") === undefined ? null : appDirectory(text(options, "dir") ?? "");
  const workerPath = resolve(text(options, "worker") ?? join(ROOT, "dist/worker.js"));
  if (!existsSync(workerPath)) throw new CliError(`${workerPath} is missing. Run: npm run build`);
  if (options["ephemeral"] === true && text(options, "data") !== undefined) {
    throw new CliError("--ephemeral and --data exclude each other.");
  }

  await using resources = new AsyncDisposableStack();
  const stop = resources.use(stopSignal());
  const data = resources.use(
    options["ephemeral"] === true ? temporaryDataDirectory() : openDataDirectory(text(options, "data") ?? DEFAULT_DATA),
  );
  const publicPorts = [
    { option: "port", port: port(options, "port", 3210) },
    { option: "site-port", port: port(options, "site-port", 3211) },
  ];
  const nodePort = { option: "node-port", port: port(options, "node-port", 0) };
  // Whatever is taken already is told before anything starts.
  await freePorts(ownNode ? [...publicPorts, nodePort] : publicPorts);
  const changed = changedSettings(settings);
  if (changed.length > 0) say(`Settings: ${changed.join(" ")}`);

  const variablesOn = (url: string, siteUrl: string, nodeUrl: string | null): Record<string, string> => ({
    CONVECTION_SECRET: data.secret,
    CONVECTION_REDACT_ERRORS: "false",
    CONVECTION_DEPLOYMENT_TYPE: "dev",
    CONVEX_CLOUD_URL: url,
    CONVEX_SITE_URL: siteUrl,
    ...(nodeUrl !== null && { NODE_ACTIONS_URL: nodeUrl, NODE_CALLBACK_URL: url }),
    ...given,
  });
  // Registered first, ended last: actions that end with the service may still ask it.
  let backend: Backend | null = null;
  resources.defer(async () => backend?.[Symbol.asyncDispose]());
  const node = ownNode
    ? resources.use(
        await NodeService.start(
          // Of the variables it needs secrets alone, and those don't depend on ports.
          nodeServiceOptions(nodePort.port, parseDeployment(variablesOn(UNKNOWN_URL, UNKNOWN_URL, null)), data),
        ),
      )
    : null;
  const { deployment, url, siteUrl } = await startOnPorts(publicPorts, async ([apiPort = 0, sitePort = 0]) => {
    const urls = { url: `http://${HOST}:${apiPort}`, siteUrl: `http://${HOST}:${sitePort}` };
    const variables = variablesOn(urls.url, urls.siteUrl, node?.url ?? null);
    const identity = parseDeployment(variables);
    backend = await Backend.start({
      workerPath,
      migrations: readMigrations(resolve(text(options, "migrations") ?? join(ROOT, "migrations"))),
      statePath: data.statePath,
      port: apiPort,
      sitePort,
      variables,
      siteUrl: identity.siteUrl,
      watchdogMs: settings.watchdogMs,
      stop: stop.signal,
      inspectorPort: text(options, "inspector-port") === undefined ? null : port(options, "inspector-port", 0),
    });
    return { deployment: identity, ...urls };
  });
  const key = adminKey(deployment.secret, deployment.instanceName);
  try {
    if (app !== null) await pushApp(app, { url, adminKey: key }, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  if (!stop.signal.aborted) {
    if (options["json"] === true) {
      process.stdout.write(
        `${JSON.stringify({ url, siteUrl, adminKey: key, nodeActionsUrl: deployment.nodeActionsUrl })}\n`,
      );
    } else {
      process.stdout.write(`${readyMessage(url, siteUrl, app, text(options, "data"))}\n`);
    }
  }
  await stop.requested;
  say("Stopping ...");
}

const NODE_SETTING = /^CONVECTION_NODE_/;

/** Settings and URLs of the calling environment go to the Worker; its other variables do not. */
function workerEnvironment(): Record<string, string> {
  const names = /^(CONVECTION_[A-Z0-9_]+|CONVEX_CLOUD_URL|CONVEX_SITE_URL|NODE_ACTIONS_URL|NODE_CALLBACK_URL)$/;
  const known = new Set<string>(Object.values(SETTINGS).map(({ name }) => name));
  return environment((name) => names.test(name) && (!NODE_SETTING.test(name) || known.has(name)));
}

function environment(chosen: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      chosen(name) && value !== undefined && value !== "" ? [[name, value] as const] : [],
    ),
  );
}

/** The service itself says which of its settings are wrong. */
function nodeServiceOptions(servicePort: number, deployment: Deployment, data: DataDirectory): NodeServiceOptions {
  const script = join(ROOT, "dist/node-actions.js");
  if (!existsSync(script)) throw new CliError(`${script} is missing. Run: npm run build`);
  const { secret, previousSecret } = deployment;
  return {
    script,
    port: servicePort,
    secrets: previousSecret === null ? [secret] : [secret, previousSecret],
    cacheDirectory: data.nodeCachePath,
    settings: environment((name) => NODE_SETTING.test(name)),
  };
}

function readyMessage(url: string, siteUrl: string, app: string | null, data: string | undefined): string {
  const keysCommand = data === undefined ? "npx convection keys" : `npx convection keys --data ${data}`;
  const lines = [
    "",
    `Convection is ready.`,
    `  API            ${url}`,
    `  HTTP actions   ${siteUrl}`,
    `  admin key      ${keysCommand}`,
  ];
  const call = app === null ? null : exampleCall(app);
  if (call !== null) {
    const body = JSON.stringify({ path: call.path, args: call.args, format: "json" });
    lines.push("", "Try it:", `  curl -s ${url}/api/${call.kind} -H 'content-type: application/json' -d '${body}'`);
  }
  return lines.join("\n");
}

/** An app may say in its package.json which call shows it best: `{"convection": {"try": {kind, path, args}}}`. */
function exampleCall(app: string) {
  const file = join(app, "package.json");
  if (!existsSync(file)) return null;
  const parsed = manifest.safeParse(JSON.parse(readFileSync(file, "utf8")));
  return parsed.success ? parsed.data.convection.try : null;
}

const manifest = z.object({
  convection: z.object({
    try: z.object({
      kind: z.enum(["query", "mutation", "action"]),
      path: z.string(),
      args: z.record(z.string(), z.unknown()),
    }),
  }),
});
