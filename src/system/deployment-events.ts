import { v } from "convex/values";
import { DEPLOYMENT_EVENTS } from "../deploy/history.ts";
import type { Page, PaginationOptions } from "../engine/pagination.ts";
import type { Order } from "../engine/query/definition.ts";
import type { Expression } from "../engine/query/expression.ts";
import { isJsonObject, type JsonObject } from "../shared/json.ts";
import { equalConvexJson } from "../values/compare.ts";
import { encodeInt64 } from "../values/special-value.ts";
import { dependOnApp } from "./dependencies.ts";
import { pageOptions, paginationOpts } from "./pagination-options.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";
import { pageText, readSystemPage } from "./table-page.ts";

/** Events that a list without pages has at most. */
const MAX_LISTED = 1000;

/** What one page reads at most, however few events of it are shown. */
const CAPS = { rows: 2_000, bytes: 4 * 1024 * 1024 };

const PUSH = "push_config_with_components";

const filters = v.object({
  minDate: v.number(),
  maxDate: v.optional(v.number()),
  authorMemberIds: v.optional(v.array(v.any())),
  actions: v.optional(v.array(v.string())),
});

/** What admins have done to the deployment, the newest first. */
export const paginatedDeploymentEvents = adminQuery({ paginationOpts, filters }, async (context, args) => {
  const { minDate, maxDate, authorMemberIds: authors, actions } = args.filters;
  const wanted: Expression = (event) => {
    if (!isJsonObject(event)) return false;
    const { action, member_id: author } = event;
    return (
      (actions === undefined || actions.some((one) => one === action)) &&
      (authors === undefined || authors.some((one) => equalConvexJson(one, author)))
    );
  };
  const page = await read(
    context,
    { from: minDate, to: maxDate ?? null },
    "desc",
    pageOptions(args.paginationOpts, CAPS),
    {
      test: wanted,
      name: JSON.stringify([authors ?? null, actions ?? null]),
    },
  );
  return pageText(page);
});

/** From a time on, the oldest first. */
export const listDeploymentEventsFromTime = adminQuery(
  { fromTimestamp: v.number() },
  async (context, { fromTimestamp }) => {
    const { page } = await read(context, { from: fromTimestamp, to: null }, "asc", first(MAX_LISTED));
    return `[${page.join(",")}]`;
  },
);

/** The last push, `null` before the first one. One from before there was a history is told by its code alone. */
export const lastPushEvent = adminQuery({}, async (context) => {
  const isPush = { test: (event: unknown) => isJsonObject(event) && event["action"] === PUSH, name: PUSH };
  const { page } = await read(context, { from: 0, to: null }, "desc", first(1), isPush);
  if (page[0] !== undefined) return page[0];
  dependOnApp(context);
  const version = context.deployment.app?.version;
  return version === undefined ? "null" : JSON.stringify(olderPush(version.version, version.importTime));
});

function olderPush(version: string, at: number): JsonObject {
  const metadata = { auth_diff: { added: [], removed: [] }, component_diffs: [] };
  return { _id: version, _creationTime: at, action: PUSH, member_id: encodeInt64(0n), metadata };
}

function first(count: number): PaginationOptions {
  return { cursor: null, endCursor: null, pageSize: count, maximumRowsRead: null, maximumBytesRead: null };
}

/** Which documents, and a name that tells one such filter from another. */
interface EventFilter {
  readonly test: Expression;
  readonly name: string;
}

function read(
  context: SystemContext,
  times: { readonly from: number; readonly to: number | null },
  order: Order,
  options: PaginationOptions,
  filter: EventFilter = { test: () => true, name: "" },
): Promise<Page> {
  // Events are the deployment's, whatever component is looked at.
  return readSystemPage({ ...context, component: "" }, DEPLOYMENT_EVENTS, { times, order, filter }, options);
}
