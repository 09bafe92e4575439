const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Binary units as in the texts of E-F-1: `1 MiB`, else two decimals, `1.50 MiB`. */
export function formatBytes(bytes: number): string {
  return format(bytes, (amount) => (Number.isInteger(amount) ? String(amount) : amount.toFixed(2)));
}

/** Shortest form with at most two decimals: `1.5 MiB`. */
export function formatBytesCompact(bytes: number): string {
  return format(bytes, (amount) => String(Math.round(amount * 100) / 100));
}

function format(bytes: number, print: (amount: number) => string): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${print(amount)} ${UNITS[unit]}`;
}
