/**
 * The vector at length 1, in float32: what is stored and compared. A zero vector stays one, and is similar to nothing.
 * Scaled by its largest component first, so that no square overflows or vanishes.
 */
export function unitVector(values: ArrayLike<number>): Float32Array {
  const unit = new Float32Array(values.length);
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0));
  if (largest === 0) return unit;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += ((values[i] ?? 0) / largest) ** 2;
  const length = Math.sqrt(squares);
  for (let i = 0; i < values.length; i++) unit[i] = (values[i] ?? 0) / largest / length;
  return unit;
}

/** Cosine similarity of two unit vectors, in float32, from -1 to 1. What rounding did to their lengths is made good. */
export function similarity(a: Float32Array, b: Float32Array): number {
  let product = 0;
  let squareA = 0;
  let squareB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    product += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  if (squareA === 0 || squareB === 0) return 0;
  return Math.fround(Math.max(-1, Math.min(1, product / Math.sqrt(squareA * squareB))));
}
