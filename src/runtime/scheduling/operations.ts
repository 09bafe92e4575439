/** Operations of the Transactor on jobs, by their names on the wire. */
export const SCHEDULE_OP = "jobs.schedule";
export const CANCEL_OP = "jobs.cancel";
export const START_OP = "jobs.start";
export const FINISH_OP = "jobs.finish";
export const LOSE_OP = "jobs.lose";
export const REFUSE_OP = "jobs.refuse";
export const SETTLE_OP = "jobs.settle";
export const SYNC_CRONS_OP = "jobs.syncCrons";
export const REMOVE_OP = "jobs.remove";
