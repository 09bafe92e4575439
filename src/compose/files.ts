import { z } from "zod";
import { handleKey } from "../deploy/function-handles.ts";
import { Downloads } from "../files/downloads.ts";
import { FileUrls } from "../files/file-urls.ts";
import { R2FileStore } from "../files/r2-file-store.ts";
import { UploadTokens } from "../files/upload-tokens.ts";
import { Uploads } from "../files/uploads.ts";
import { findFile } from "../engine/stored-files.ts";
import type { FileService } from "../http/services.ts";
import type { Deployment as DeploymentIdentity } from "../protocol/deployment.ts";
import type { Settings } from "../protocol/settings.ts";
import { RECORD_FILE_OP } from "../runtime/files/operations.ts";
import type { RuntimeFiles } from "../runtime/files/runtime-files.ts";
import { refuseUploadsWhilePaused } from "../runtime/code/deployment-state.ts";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import type { QueryRunner } from "../runtime/functions/query-runner.ts";
import { MasterSecret } from "../runtime/secret.ts";
import type { TransactorClient } from "../transactor/transactor-client.ts";
import type { Bindings } from "./environment.ts";
import { clock, random } from "./system.ts";

export interface Files extends RuntimeFiles {
  readonly tokens: UploadTokens;
}

export function composeFiles(
  bindings: Bindings,
  settings: Settings,
  identity: DeploymentIdentity,
  secrets: readonly string[],
): Files {
  const tokens = new UploadTokens({
    keys: Promise.all(secrets.map((secret) => new MasterSecret(secret).hmacKey("convection/upload url"))),
    instanceName: identity.instanceName,
    clock,
    lifeMs: settings.uploadUrlLifeMs,
  });
  return {
    store: new R2FileStore(bindings.FILES),
    tokens,
    // Neither changes when the secret of the deployment does.
    addresses: new FileUrls({
      origin: identity.cloudUrl,
      tokens,
      secretOf: ({ values }) => handleKey(values),
    }),
  };
}

export function composeUploads({ store, tokens }: Files, settings: Settings, transactor: TransactorClient): Uploads {
  return new Uploads({
    store,
    tokens,
    idleMs: settings.uploadIdleMs,
    record: async ({ ref, ...stored }, startedAt, again) => {
      const args = { ...ref, ...stored, startedAt, again };
      const request = `${RECORD_FILE_OP} ${ref.component} ${ref.id}`;
      return z.string().parse(await transactor.runSystem({ v: 1, op: RECORD_FILE_OP, args, request }));
    },
    clock,
    random,
  });
}

export function composeFileService(
  files: Files,
  uploads: Uploads,
  deployments: CurrentDeployment,
  queries: QueryRunner,
): FileService {
  const { store, addresses } = files;
  const downloads = new Downloads({
    store,
    names: async () => {
      const { app, catalog } = await deployments.current();
      return app === null ? null : addresses.names(catalog);
    },
    find: (ref) => queries.look((transaction) => findFile(transaction, ref)),
  });
  return {
    uploads: {
      upload: async (token, file) => {
        refuseUploadsWhilePaused((await deployments.current()).catalog.values);
        return uploads.upload(token, file);
      },
    },
    downloads,
  };
}
