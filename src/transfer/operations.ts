/** Operations of the Transactor on imports and exports, by their names on the wire. */
export const CREATE_IMPORT_OP = "transfer.create_import";
export const CHANGE_IMPORT_OP = "transfer.change_import";
export const WRITE_ROWS_OP = "transfer.write_rows";
export const DELETE_FILES_OP = "transfer.delete_files";
export const CREATE_EXPORT_OP = "transfer.create_export";
export const CHANGE_EXPORT_OP = "transfer.change_export";
