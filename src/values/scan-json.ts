import { VALUE_LIMITS, type ValueLimits } from "./limits.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Whether a value may be beyond a limit that the `convex` package does not check when it writes ConvexJSON: nesting,
 * lengths of arrays and objects, unpaired surrogates. False is certain; after true, `checkConvexJson` decides. One
 * pass without parsing, so that large results cost little.
 */
export function mayExceedLimits(json: string, limits: ValueLimits = VALUE_LIMITS): boolean {
  // `JSON.stringify` escapes unpaired surrogates, and only those.
  if (json.includes("\\ud")) return true;
  if (json.length > limits.size) return true;
  // Every level takes two characters.
  if (json.length <= limits.nesting * 2) return false;
  const items = Math.min(limits.arrayLength, limits.objectFields);
  const commas = new Uint32Array(limits.nesting + 1);
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(json, i);
        break;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth++;
        if (depth > limits.nesting) return true;
        commas[depth] = 0;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--;
        break;
      case COMMA: {
        const count = (commas[depth] ?? 0) + 1;
        if (count >= items) return true;
        commas[depth] = count;
        break;
      }
    }
  }
  return false;
}

/** Position of the quote that ends the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(json, end)) end = json.indexOf('"', end + 1);
  return end === -1 ? json.length : end;
}

function isEscaped(json: string, at: number): boolean {
  let backslashes = 0;
  while (json.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
