import type { IndexAddress } from "../../../src/engine/derived-index.ts";
import type { IndexKey } from "../../../src/engine/names.ts";
import { CodeStore } from "../../../src/deploy/code-store.ts";
import { Environment } from "../../../src/deploy/environment.ts";
import { History } from "../../../src/deploy/history.ts";
import { EnvironmentCipher } from "../../../src/deploy/environment-cipher.ts";
import type { DeployPorts, DocumentKeys, Rules } from "../../../src/deploy/ports.ts";
import { PushService } from "../../../src/deploy/push-service.ts";
import { PushTokens } from "../../../src/deploy/push-token.ts";
import type { StartPushBody } from "../../../src/deploy/push-body.ts";
import { DEFAULT_DEPLOY_SETTINGS, type DeploySettings } from "../../../src/deploy/settings.ts";
import { badRequest } from "../../../src/shared/coded-error.ts";
import { isJsonObject, type JsonValue } from "../../../src/shared/json.ts";
import type { Random } from "../../../src/shared/random.ts";
import { FakeDatabase } from "./fake-database.ts";
import { ScannedTableSizes } from "./scanned-table-sizes.ts";
import { NodeAnalyzer } from "./node-analyzer.ts";

export const documentKeys: DocumentKeys = {
  indexKey(definition, document, id) {
    if (definition.type !== "database" || !isJsonObject(document)) return null;
    return `${JSON.stringify(definition.fields.map((field) => document[field] ?? null))}${id}` as IndexKey;
  },
};

/** Object validators with fields of simple types: enough to tell a matching document from another. */
const rules: Rules = {
  checkSchema(schema) {
    const tables = isJsonObject(schema) ? schema["tables"] : undefined;
    if (!Array.isArray(tables))
      throw badRequest("InvalidSchema", "Default export from schema file isn't a Convex schema.");
    for (const table of tables) {
      if (table.tableName.startsWith("_"))
        throw badRequest("InvalidTableName", `${table.tableName} is a reserved table name.`);
    }
  },
  documentCheck: (schema) => (table, document) => {
    const type = schema.tables.find(({ tableName }) => tableName === table)?.documentType;
    if (!schema.schemaValidation || !isJsonObject(type) || type["type"] !== "object") return null;
    const fields = type["value"];
    if (!isJsonObject(fields)) return null;
    for (const [name, field] of Object.entries(fields)) {
      const fieldType = isJsonObject(field) && isJsonObject(field["fieldType"]) ? field["fieldType"]["type"] : "any";
      const value = document[name];
      const optional = isJsonObject(field) && field["optional"] === true;
      if (value === undefined) {
        if (!optional) return `Object is missing the required field \`${name}\`.`;
      } else if (fieldType !== "any" && typeof value !== fieldType) {
        return "Value does not match validator.";
      }
    }
    return null;
  },
  checkVariables(variables) {
    for (const name of Object.keys(variables)) {
      if (!/^[a-zA-Z_]+[a-zA-Z0-9_]*$/.test(name)) {
        throw badRequest("EnvironmentVariableNameInvalid", `The environment variable name ${name} is invalid.`);
      }
    }
  },
};

class SteppingClock {
  time = Date.UTC(2026, 0, 1);
  step = 1;

  now(): number {
    this.time += this.step;
    return this.time;
  }
}

export class MemoryBucket {
  readonly objects = new Map<string, string>();
  readonly binary = new Map<string, Uint8Array>();

  async get(key: string): Promise<{ text(): Promise<string>; arrayBuffer(): Promise<ArrayBuffer> } | null> {
    const value = this.objects.get(key) ?? this.binary.get(key);
    if (value === undefined) return null;
    const response = new Response(typeof value === "string" ? value : Uint8Array.from(value));
    return { text: () => response.text(), arrayBuffer: () => response.arrayBuffer() };
  }

  async put(key: string, value: string | Uint8Array): Promise<void> {
    if (typeof value === "string") this.objects.set(key, value);
    else this.binary.set(key, value);
  }
}

export interface PushAnswer {
  readonly schemaChange: { readonly pushToken: string };
}

/** A whole deployment as far as pushes see it. */
export class TestDeployment {
  readonly database = new FakeDatabase(documentKeys);
  readonly bucket = new MemoryBucket();
  readonly code = new CodeStore(this.bucket);
  readonly analyzer = new NodeAnalyzer();
  readonly clock = new SteppingClock();
  readonly ports: DeployPorts;
  readonly service: PushService;
  readonly environment: Environment;
  /** Text and vector indexes that pushes asked for. */
  readonly built: IndexAddress[] = [];
  leases = 0;
  background = 0;
  pauses = 0;
  recordings = 0;

  constructor(settings: Partial<DeploySettings> = {}, secrets: readonly [string, ...string[]] = ["secret"]) {
    const random = counting();
    this.ports = {
      code: this.code,
      analyzer: this.analyzer,
      nodeAnalyzer: null,
      persistence: this.database,
      committer: this.database,
      rules,
      documentKeys,
      derivedIndexes: {
        build: async (index) => {
          this.built.push(index);
          return true;
        },
      },
      tableSizes: new ScannedTableSizes(this.database, DEFAULT_DEPLOY_SETTINGS.backfill),
      cipher: new EnvironmentCipher(secrets, random),
      tokens: new PushTokens(secrets),
      waitForLeases: async () => {
        this.leases++;
      },
      pause: async () => {
        this.pauses++;
      },
      startBackground: () => {
        this.background++;
      },
      // Of its own clock and randomness: what pushes draw does not depend on it.
      history: new History({
        run: async () => {
          this.recordings++;
          return [];
        },
        clock: { now: () => 1 },
        random: counting(),
        log: { info() {}, warn() {}, error() {} },
      }),
      clock: this.clock,
      random,
      log: { info() {}, warn() {}, error() {} },
      settings: {
        ...DEFAULT_DEPLOY_SETTINGS,
        builtinVariables: { CONVEX_CLOUD_URL: "http://cloud", CONVEX_SITE_URL: "http://site" },
        ...settings,
      },
    };
    this.service = new PushService(this.ports);
    this.environment = new Environment(this.ports);
  }

  /** The whole protocol, as `convex deploy` runs it. */
  async push(body: StartPushBody): Promise<unknown> {
    const start = await this.start(body);
    for (;;) {
      const status = (await this.wait(start)) as { type: string; error?: string };
      if (status.type === "complete") break;
      if (status.type !== "inProgress") throw new Error(`${status.type}: ${status.error ?? ""}`);
    }
    return await this.finish(start);
  }

  async start(body: StartPushBody): Promise<PushAnswer> {
    return (await this.service.startPush(body)) as PushAnswer;
  }

  async wait(start: PushAnswer, timeoutMs = 10_000): Promise<unknown> {
    return await this.service.waitForSchema({ schemaChange: start.schemaChange, timeoutMs, dryRun: false });
  }

  async finish(start: PushAnswer): Promise<unknown> {
    return await this.service.finishPush({ startPush: start, dryRun: false, message: null });
  }

  async activeApp() {
    const active = this.database.values.get("app");
    return isJsonObject(active) ? await this.code.app(String(active["version"] as JsonValue as string)) : null;
  }
}

function counting(): Random {
  let count = 0;
  return {
    bytes(length) {
      count++;
      return Uint8Array.from({ length }, (_, position) => (count * 31 + position * 7) & 255);
    },
  };
}
