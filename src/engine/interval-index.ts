import type { Interval } from "./interval.ts";

/**
 * Which of many intervals hold a key: a treap ordered by (start, end), each node knowing the furthest end below it,
 * so that a look-up costs the logarithm of the number of different intervals, and the hits. Equal intervals share a
 * node. `Owner` is compared by identity.
 */
export class IntervalIndex<Owner> {
  #root: Node<Owner> | null = null;
  /** State of the generator of priorities: they only have to look random, so every index may draw the same ones. */
  #state = 0x9e37_79b9;

  get empty(): boolean {
    return this.#root === null;
  }

  add({ start, end }: Interval, owner: Owner): void {
    this.#root = this.#insert(this.#root, start, end, owner);
  }

  remove({ start, end }: Interval, owner: Owner): void {
    this.#root = remove(this.#root, start, end, owner);
  }

  /** Calls `found` for each owner of each interval that holds the key. */
  stab(key: string, found: (owner: Owner) => void): void {
    stab(this.#root, key, found);
  }

  #insert(node: Node<Owner> | null, start: string, end: string | null, owner: Owner): Node<Owner> {
    if (node === null) {
      return { start, end, owners: new Set([owner]), furthest: end, priority: this.#draw(), left: null, right: null };
    }
    const order = compare(start, end, node);
    if (order === 0) {
      node.owners.add(owner);
      return node;
    }
    if (order < 0) {
      node.left = this.#insert(node.left, start, end, owner);
      if (node.left.priority > node.priority) return rotateRight(node, node.left);
    } else {
      node.right = this.#insert(node.right, start, end, owner);
      if (node.right.priority > node.priority) return rotateLeft(node, node.right);
    }
    update(node);
    return node;
  }

  #draw(): number {
    // xorshift
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x;
  }
}

interface Node<Owner> {
  readonly start: string;
  /** Exclusive; null: no end. */
  readonly end: string | null;
  readonly owners: Set<Owner>;
  /** Of this node and everything below it. */
  furthest: string | null;
  readonly priority: number;
  left: Node<Owner> | null;
  right: Node<Owner> | null;
}

function stab<Owner>(node: Node<Owner> | null, key: string, found: (owner: Owner) => void): void {
  if (node === null || (node.furthest !== null && node.furthest <= key)) return;
  stab(node.left, key, found);
  if (node.start > key) return;
  if (node.end === null || node.end > key) for (const owner of node.owners) found(owner);
  stab(node.right, key, found);
}

function remove<Owner>(node: Node<Owner> | null, start: string, end: string | null, owner: Owner): Node<Owner> | null {
  if (node === null) return null;
  const order = compare(start, end, node);
  if (order === 0) {
    node.owners.delete(owner);
    return node.owners.size > 0 ? node : merge(node.left, node.right);
  }
  if (order < 0) node.left = remove(node.left, start, end, owner);
  else node.right = remove(node.right, start, end, owner);
  update(node);
  return node;
}

/** Everything in `left` is before everything in `right`. */
function merge<Owner>(left: Node<Owner> | null, right: Node<Owner> | null): Node<Owner> | null {
  if (left === null) return right;
  if (right === null) return left;
  if (left.priority > right.priority) {
    left.right = merge(left.right, right);
    update(left);
    return left;
  }
  right.left = merge(left, right.left);
  update(right);
  return right;
}

function rotateRight<Owner>(node: Node<Owner>, left: Node<Owner>): Node<Owner> {
  node.left = left.right;
  left.right = node;
  update(node);
  update(left);
  return left;
}

function rotateLeft<Owner>(node: Node<Owner>, right: Node<Owner>): Node<Owner> {
  node.right = right.left;
  right.left = node;
  update(node);
  update(right);
  return right;
}

function update<Owner>(node: Node<Owner>): void {
  let { end: furthest } = node;
  for (const child of [node.left, node.right]) {
    if (child === null || furthest === null) continue;
    furthest = child.furthest === null || child.furthest > furthest ? child.furthest : furthest;
  }
  node.furthest = furthest;
}

function compare(start: string, end: string | null, node: { readonly start: string; readonly end: string | null }) {
  if (start !== node.start) return start < node.start ? -1 : 1;
  if (end === node.end) return 0;
  if (end === null) return 1;
  return node.end === null || end < node.end ? -1 : 1;
}
