/** Operations of the Transactor on files, by their names on the wire. */
export const RECORD_FILE_OP = "files.record";
export const DELETE_FILE_OP = "files.delete";
export const FORGET_FILES_OP = "files.forget";
