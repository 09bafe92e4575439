import { apiSpec } from "./api-spec.ts";
import { cloudUrl } from "./cloud-url.ts";
import { listComponents } from "./components.ts";
import { listCronJobRuns, listCronJobs } from "./cron-jobs.ts";
import { getVariable, listVariables } from "./environment-variables.ts";
import { deploymentState } from "./deployment-state.ts";
import { latestExport } from "./exports.ts";
import { getImport, listImports } from "./imports.ts";
import { queryTable } from "./query-table.ts";
import { paginatedScheduledJobs } from "./scheduled-jobs.ts";
import { getSchemas, schemaValidationProgress } from "./schemas.ts";
import { tableData } from "./table-data.ts";
import { sizeOfAllTables, tableSize } from "./table-size.ts";
import { tables } from "./tables.ts";
import {
  authProviders,
  canExportFiles,
  listVariableDocuments,
  logSinks,
  nodeVersion,
  packageVersion,
  siteUrl,
} from "./deployment.ts";
import { lastPushEvent, listDeploymentEventsFromTime, paginatedDeploymentEvents } from "./deployment-events.ts";
import { getById, getTableMapping, listById, listTableScan } from "./documents.ts";
import { backfillingIndexes, indexes } from "./indexes.ts";
import { getSourceCode, listModules, listModulesOfAll } from "./modules.ts";
import { fileMetadata, getFile, numFiles } from "./stored-files.ts";
import { paginatedTableDocuments } from "./table-documents.ts";
import type { SystemQuery } from "./system-query.ts";

/** By the path that people write; a default export goes by its module alone (`cli.md` §2.6). */
export const SYSTEM_QUERIES: ReadonlyMap<string, SystemQuery> = new Map([
  ["_system/cli/modules:apiSpec", apiSpec],
  ["_system/cli/convexUrl:cloudUrl", cloudUrl],
  ["_system/cli/tables", tables],
  ["_system/cli/tableData", tableData],
  ["_system/cli/tableSize", tableSize],
  ["_system/cli/queryTable", queryTable],
  ["_system/cli/queryEnvironmentVariables", listVariables],
  ["_system/cli/queryEnvironmentVariables:get", getVariable],
  ["_system/cli/queryImport", getImport],
  ["_system/cli/queryImport:list", listImports],
  ["_system/cli/exports:getLatest", latestExport],
  ["_system/frontend/components:list", listComponents],
  ["_system/frontend/deploymentState:deploymentState", deploymentState],
  ["_system/frontend/getSchemas", getSchemas],
  ["_system/frontend/getSchemas:schemaValidationProgress", schemaValidationProgress],
  ["_system/frontend/listCronJobs", listCronJobs],
  ["_system/frontend/listCronJobRuns", listCronJobRuns],
  ["_system/frontend/paginatedScheduledJobs", paginatedScheduledJobs],
  ["_system/frontend/paginatedTableDocuments", paginatedTableDocuments],
  ["_system/frontend/getTableMapping", getTableMapping],
  ["_system/frontend/tableSize", tableSize],
  ["_system/frontend/tableSize:sizeOfAllTables", sizeOfAllTables],
  ["_system/frontend/getById", getById],
  ["_system/frontend/listById", listById],
  ["_system/frontend/listTableScan", listTableScan],
  ["_system/frontend/indexes", indexes],
  ["_system/frontend/indexes:backfilling", backfillingIndexes],
  ["_system/frontend/modules:list", listModules],
  ["_system/frontend/modules:listForAllComponents", listModulesOfAll],
  ["_system/frontend/modules:getSourceCode", getSourceCode],
  ["_system/frontend/fileStorageV2:numFiles", numFiles],
  ["_system/frontend/fileStorageV2:fileMetadata", fileMetadata],
  ["_system/frontend/fileStorageV2:getFile", getFile],
  ["_system/frontend/listEnvironmentVariables", listVariableDocuments],
  ["_system/frontend/listAuthProviders", authProviders],
  ["_system/frontend/listConfiguredSinks", logSinks],
  ["_system/frontend/paginatedDeploymentEvents", paginatedDeploymentEvents],
  ["_system/frontend/listDeploymentEventsFromTime", listDeploymentEventsFromTime],
  ["_system/frontend/deploymentEvents:lastPushEvent", lastPushEvent],
  ["_system/frontend/convexCloudUrl", cloudUrl],
  ["_system/frontend/convexSiteUrl", siteUrl],
  ["_system/frontend/getVersion", packageVersion],
  ["_system/frontend/node:version", nodeVersion],
  ["_system/frontend/snapshotImport:list", listImports],
  ["_system/frontend/latestExport", latestExport],
  ["_system/frontend/latestExport:canExportFileStorage", canExportFiles],
]);
