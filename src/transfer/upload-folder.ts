/** Everything that belongs to imports is below this. */
export const IMPORTS_FOLDER = "transfer/import";

/** Where the parts of an upload are. */
export function uploadFolder(upload: string): string {
  return `${IMPORTS_FOLDER}/${upload}/parts`;
}

export function planKey(upload: string): string {
  return `${IMPORTS_FOLDER}/${upload}/plan.json`;
}
