import { configHashes } from "./config-hashes.ts";
import { evaluatePush, evaluateSchema } from "./evaluate-schema.ts";
import { finishPush } from "./finish-push.ts";
import { parseLegacyConfig, parseLegacySchema } from "./legacy-push-body.ts";
import { legacyConfig, prepareSchema, pushConfig, schemaState } from "./legacy-push.ts";
import type { DeployPorts } from "./ports.ts";
import {
  parseConfigHashes,
  parseFinishPush,
  parsePushCompleted,
  parseStartPush,
  parseWaitForSchema,
} from "./push-body.ts";
import { asPushError } from "./push-error.ts";
import { startPush } from "./start-push.ts";
import { waitForSchema } from "./wait-for-schema.ts";

/** One method per endpoint of the push protocol: parsed JSON in, JSON out. The caller is an admin. */
export class PushService {
  readonly #ports: DeployPorts;

  constructor(ports: DeployPorts) {
    this.#ports = ports;
  }

  async getConfigHashes(body: unknown): Promise<object> {
    parseConfigHashes(body);
    return await configHashes(this.#ports);
  }

  async startPush(body: unknown): Promise<object> {
    return await asPushError(() => startPush(parseStartPush(body), this.#ports));
  }

  async evaluatePush(body: unknown): Promise<object> {
    return await asPushError(() => evaluatePush(parseStartPush(body), this.#ports));
  }

  async evaluateSchema(body: unknown): Promise<object> {
    return await asPushError(() => evaluateSchema(parseStartPush(body), this.#ports));
  }

  async waitForSchema(body: unknown): Promise<object> {
    return await waitForSchema(parseWaitForSchema(body), this.#ports);
  }

  async finishPush(body: unknown): Promise<object> {
    return await asPushError(() => finishPush(parseFinishPush(body), this.#ports));
  }

  async getConfig(body: unknown): Promise<object> {
    parseConfigHashes(body);
    return await legacyConfig(this.#ports);
  }

  async prepareSchema(body: unknown): Promise<object> {
    return await prepareSchema(parseLegacySchema(body), this.#ports);
  }

  async schemaState(schemaId: string): Promise<object> {
    return await schemaState(schemaId, this.#ports);
  }

  async pushConfig(body: unknown): Promise<object> {
    return await pushConfig(parseLegacyConfig(body), this.#ports);
  }

  /** Timings of the client, which nobody keeps. */
  async reportPushCompleted(body: unknown): Promise<null> {
    parsePushCompleted(body);
    return null;
  }
}
