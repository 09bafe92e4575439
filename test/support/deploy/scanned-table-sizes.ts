import type { TableId } from "../../../src/engine/names.ts";
import type { Persistence } from "../../../src/engine/persistence.ts";
import type { TableSizes } from "../../../src/deploy/ports.ts";
import type { BackfillSettings } from "../../../src/deploy/settings.ts";
import { TableScan } from "../../../src/deploy/table-scan.ts";

/** Counts by reading, for fakes that can't count by themselves. */
export class ScannedTableSizes implements TableSizes {
  readonly #persistence: Pick<Persistence, "read">;
  readonly #settings: BackfillSettings;

  constructor(persistence: Pick<Persistence, "read">, settings: BackfillSettings) {
    this.#persistence = persistence;
    this.#settings = settings;
  }

  async size(table: TableId, bound: number): Promise<{ readonly documents: number; readonly bytes: number }> {
    const scan = new TableScan(this.#persistence, this.#settings, table, null);
    let documents = 0;
    let bytes = 0;
    while (!scan.done && documents < bound) {
      const { rows, advance } = await scan.batch();
      documents += rows.length;
      for (const { document } of rows) bytes += document.size;
      advance();
    }
    return { documents: Math.min(documents, bound), bytes };
  }
}
