import type { TableId } from "../engine/names.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonObject } from "../shared/json.ts";
import { encodeInt64 } from "../values/special-value.ts";
import { changeSummary, displayName } from "./change-summary.ts";
import {
  type ImportDocument,
  importDocument,
  type ImportPosition,
  type ImportState,
  isOver,
} from "./import-document.ts";
import type { ImportPlan, PlannedTable } from "./import-plan.ts";
import { planImport } from "./import-planner.ts";
import { ImportSource } from "./import-source.ts";
import { CHANGE_IMPORT_OP, WRITE_ROWS_OP } from "./operations.ts";
import type { TransferPorts } from "./ports.ts";
import { StagedTables } from "./staged-tables.ts";
import { ImportedFiles } from "./imported-files.ts";

/** Rows of one transaction, and their bytes. */
const CHUNK_ROWS = 500;
const CHUNK_BYTES = 1024 * 1024;

/**
 * Brings one import further. Where it is, is in its document: who comes later goes on from there, whatever became of
 * the one before. Rows and position are written in the same transaction, so no row is written twice.
 *
 *   uploaded ─ plan ─► waiting … confirmed ─► files ─► rows ─► flip ─► completed
 */
export class Importer {
  readonly #ports: TransferPorts;

  constructor(ports: TransferPorts) {
    this.#ports = ports;
  }

  /** Works until there is nothing to do or the deadline (ms) has passed. True: there is more to do at once. */
  async run(document: ImportDocument, deadline: number): Promise<boolean> {
    try {
      return await this.#advance(document, deadline);
    } catch (error) {
      if (error instanceof CodedError && error.retryable) throw error;
      const own = error instanceof CodedError;
      if (!own) this.#ports.log.error("transfer.import_failed", error, { importId: document._id });
      const message = own ? error.message : "The import failed for a reason of the backend's own. See its logs.";
      await this.#change(document, [document.state.state], { state: "failed", error_message: message });
      return false;
    }
  }

  async #advance(document: ImportDocument, deadline: number): Promise<boolean> {
    const source = new ImportSource(this.#ports, document);
    switch (document.state.state) {
      case "uploaded": {
        const plan = await planImport(document, source, this.#ports);
        await source.storePlan(plan);
        await this.#change(document, ["uploaded"], {
          state: "waiting_for_confirmation",
          message_to_confirm: changeSummary(plan.tables),
          require_manual_confirmation: plan.tables.some(({ deleted }) => deleted > 0),
        });
        return false;
      }
      case "in_progress":
        return await this.#perform(document, source, await source.loadPlan(), deadline);
      case "waiting_for_confirmation":
      case "completed":
      case "failed":
        return false;
      default:
        return document.state satisfies never;
    }
  }

  async #perform(start: ImportDocument, source: ImportSource, plan: ImportPlan, deadline: number): Promise<boolean> {
    const { clock } = this.#ports;
    const staged = new StagedTables(this.#ports, start._id, plan.tables);
    let document = start;
    if (!document.position.final) await staged.create();
    if (document.position.table === 0 && document.position.row === 0) {
      document = await this.#storeFiles(document, source, plan, deadline);
      if (isOver(document)) return false;
      if (clock.now() >= deadline) return true;
    }
    for (let planned; (planned = plan.tables[document.position.table]) !== undefined;) {
      const tableId = planned.staged ? await staged.tableId(planned) : null;
      document = await this.#writeTable(document, source, planned, tableId, deadline);
      if (isOver(document)) return false;
      if (clock.now() >= deadline) return true;
    }
    // From here on it can't be canceled: what is flipped is not taken back.
    document = await this.#write(document, { ...document.position, final: true }, null, []);
    if (isOver(document)) return false;
    await staged.flip(start.app);
    await this.#change(document, ["in_progress"], {
      state: "completed",
      num_rows_written: { $integer: integer(document.position.written) },
    });
    return false;
  }

  /** Up to the deadline. How many are stored is recorded now and then: storing one again changes nothing. */
  async #storeFiles(
    start: ImportDocument,
    source: ImportSource,
    plan: ImportPlan,
    deadline: number,
  ): Promise<ImportDocument> {
    const { clock } = this.#ports;
    if (plan.files.length === start.position.file) return start;
    const files = await ImportedFiles.open(plan, source, this.#ports);
    let document = start;
    for (let file = start.position.file; file < plan.files.length;) {
      const next = Math.min(file + FILES_PER_STEP, plan.files.length);
      await files.store(plan.files.slice(file, next));
      document = await this.#write(document, { ...document.position, file: next }, null, []);
      if (isOver(document) || clock.now() >= deadline) return document;
      file = next;
    }
    return document;
  }

  /** From where it is to the end of the table, or to the deadline. */
  async #writeTable(
    start: ImportDocument,
    source: ImportSource,
    planned: PlannedTable,
    tableId: TableId | null,
    deadline: number,
  ): Promise<ImportDocument> {
    const { clock, pause } = this.#ports;
    let document = start;
    let seen = 0;
    let chunk: JsonObject[] = [];
    let bytes = 0;
    const write = async (last: boolean): Promise<boolean> => {
      const { position } = document;
      const written = position.written + chunk.length;
      const to = last
        ? { ...position, table: position.table + 1, row: 0, written }
        : { ...position, row: position.row + chunk.length, written };
      const moved = await this.#write(document, to, { ...planned, tableId }, chunk);
      chunk = [];
      bytes = 0;
      await pause();
      const { position: now } = moved;
      const asExpected = now.table === to.table && now.row === to.row && moved.state.state === "in_progress";
      document = moved;
      return asExpected;
    };
    for await (const row of source.rows(planned)) {
      if (seen++ < start.position.row) continue;
      chunk.push(row);
      bytes += JSON.stringify(row).length;
      if (chunk.length < CHUNK_ROWS && bytes < CHUNK_BYTES) continue;
      if (!(await write(false)) || clock.now() >= deadline) return document;
    }
    await write(true);
    return document;
  }

  async #write(
    document: ImportDocument,
    to: ImportPosition,
    target: (PlannedTable & { readonly tableId: TableId | null }) | null,
    rows: readonly JsonObject[],
  ): Promise<ImportDocument> {
    const { _id: importId, position: from, state } = document;
    const args = {
      importId,
      from,
      to,
      rows,
      target: target === null ? null : { component: target.component, table: target.table, tableId: target.tableId },
      state: { state: "in_progress", ...progress(state, from, to, target) },
    };
    return importDocument.parse(await this.#ports.run(WRITE_ROWS_OP, args));
  }

  async #change({ _id: importId }: ImportDocument, from: readonly string[], to: ImportState): Promise<void> {
    await this.#ports.run(CHANGE_IMPORT_OP, { importId, from, to });
  }
}

/** Stored files between two records of how many there are. */
const FILES_PER_STEP = 20;

/** The document is rewritten with each transaction. */
const MAX_CHECKPOINTS = 1000;

function progress(
  state: ImportState,
  from: ImportPosition,
  to: ImportPosition,
  target: PlannedTable | null,
): { readonly progress_message: string; readonly checkpoint_messages: readonly string[] } {
  const earlier = state.state === "in_progress" ? state.checkpoint_messages : [];
  if (target === null) return { progress_message: "Importing", checkpoint_messages: earlier };
  const name = displayName(target);
  const done = to.table > from.table;
  return {
    progress_message: `Importing "${name}" (${done ? target.rows : to.row}/${target.rows} documents)`,
    checkpoint_messages: done ? [...earlier.slice(-MAX_CHECKPOINTS), `Imported "${name}"`] : earlier,
  };
}

function integer(count: number): string {
  const { $integer: text } = encodeInt64(BigInt(count));
  if (typeof text !== "string") throw new Error("an int64 is text");
  return text;
}
