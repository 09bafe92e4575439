import { z } from "zod";
import { commitWithRetry } from "../deploy/catalog-retry.ts";
import type { CatalogRows } from "../engine/persistence.ts";
import { SNAPSHOT_PIN } from "../engine/snapshot-pin.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { TransferPorts } from "./ports.ts";

/** Longer than an export is away from its work; whoever never comes back holds nothing up for longer. */
const PIN_MS = 30 * 60 * 1000;

type Ports = Pick<TransferPorts, "persistence" | "committer" | "clock">;

/** A snapshot that stays readable: its timestamp and the catalog of that moment. */
export async function pinSnapshot(ports: Ports): Promise<{ readonly ts: Timestamp; readonly rows: CatalogRows }> {
  for (;;) {
    const ts = await commitWithRetry(ports.committer, async () => {
      const { head } = await ports.persistence.loadCatalog();
      return {
        expectedCatalogTs: head.catalogTs,
        change: { values: [{ key: SNAPSHOT_PIN, value: { ts: head.ts, until: ports.clock.now() + PIN_MS } }] },
      };
    });
    const rows = await ports.persistence.loadCatalog();
    // Otherwise the catalog is a later one already.
    if (ts !== null && rows.head.catalogTs === ts) return { ts, rows };
  }
}

/** Whoever works on it for long asks for more time. */
export async function renewPin(ports: Ports, ts: Timestamp): Promise<void> {
  await commitWithRetry(ports.committer, async () => {
    const { head, values } = await ports.persistence.loadCatalog();
    const pin = z.object({ until: z.number() }).safeParse(values.get(SNAPSHOT_PIN));
    const now = ports.clock.now();
    if (pin.success && pin.data.until > now + PIN_MS / 2) return null;
    const value = { ts, until: now + PIN_MS };
    return { expectedCatalogTs: head.catalogTs, change: { values: [{ key: SNAPSHOT_PIN, value }] } };
  });
}

export async function unpin(ports: Ports): Promise<void> {
  await commitWithRetry(ports.committer, async () => {
    const { head, values } = await ports.persistence.loadCatalog();
    if (!values.has(SNAPSHOT_PIN)) return null;
    return { expectedCatalogTs: head.catalogTs, change: { values: [{ key: SNAPSHOT_PIN, value: null }] } };
  });
}
