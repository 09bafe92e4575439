/** ConvexJSON of the one float that plain JSON text loses: `JSON.stringify(-0)` is `0`. */
const NEGATIVE_ZERO = { $float: "AAAAAAAAAIA=" };

/** ConvexJSON text of positional arguments. */
export function argumentsText(args: readonly unknown[]): string {
  return JSON.stringify(args, (_, value: unknown) => (Object.is(value, -0) ? NEGATIVE_ZERO : value));
}
