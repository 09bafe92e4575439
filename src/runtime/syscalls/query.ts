import type { FunctionScope } from "../../engine/function-scope.ts";
import { type QueryDefinition, parseQuery } from "../../engine/query/definition.ts";
import { STREAM_CLEANUP, STREAM_PAGE } from "../../protocol/invocation.ts";
import type { JsonValue } from "../../shared/json.ts";
import { SyscallArguments } from "./arguments.ts";
import type { ScopeSyscall } from "./db.ts";

/** Operations on queries: pages of streams (`protocol/invocation.ts`) and paginated queries (`abi.md` §2.6). */
export const QUERY_SYSCALLS: Readonly<Record<string, ScopeSyscall>> = {
  [STREAM_PAGE]: streamPage,
  [STREAM_CLEANUP]: streamCleanup,
  "1.0/queryPage": queryPage,
};

async function streamPage(scope: FunctionScope, json: JsonValue): Promise<string> {
  const args = new SyscallArguments(json, "queryStreamNext");
  const queryId = args.integer("queryId");
  if (args.value("query") !== undefined) await scope.openQuery(queryId, query(args.as("queryStream")));
  const limit = Math.max(1, args.integer("limit"));
  const { rows, done } = await scope.nextPage(queryId, args.integer("consumed"), limit);
  return `{"rows":[${rows.join(",")}],"done":${done}}`;
}

async function streamCleanup(scope: FunctionScope, json: JsonValue): Promise<string> {
  const args = new SyscallArguments(json, "queryCleanup");
  const consumed = args.optionalInteger("consumed");
  return JSON.stringify(scope.closeQuery(args.integer("queryId"), consumed ?? undefined));
}

async function queryPage(scope: FunctionScope, json: JsonValue): Promise<string> {
  const args = new SyscallArguments(json, "queryPage");
  args.checkVersion();
  const { page, ...rest } = await scope.queryPage(query(args), {
    cursor: args.optionalString("cursor"),
    endCursor: args.optionalString("endCursor"),
    pageSize: args.integer("pageSize"),
    maximumRowsRead: args.optionalInteger("maximumRowsRead"),
    maximumBytesRead: args.optionalInteger("maximumBytesRead"),
  });
  return `{"page":[${page.join(",")}],${JSON.stringify(rest).slice(1)}`;
}

function query(args: SyscallArguments): QueryDefinition {
  args.checkVersion();
  return args.check("query", () => parseQuery(args.value("query")));
}
