import { expect, test } from "vitest";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";
import type { Client } from "../../../src/sync/client.ts";
import { Shard } from "../../../src/sync/shard.ts";
import type { ShardSnapshot } from "../../../src/sync/snapshot.ts";
import { FakeClient, World } from "./world.ts";

const SEED = freshSeed();
console.log(`seed: ${SEED} (SEED=${SEED} replays)`);

const SESSION = "00000000-0000-4000-8000-00000000000";

function frame(message: object): string {
  return JSON.stringify(message);
}

/** One client with what it asked for, so that everything it shows can be checked. */
class Actor {
  readonly world: World;
  readonly session: number;
  fake: FakeClient;
  client: Client;
  readonly queries = new Map<number, { readonly name: string; readonly cells: readonly number[] }>();
  /** Who it was under each identity version. */
  readonly names: string[] = ["nobody"];
  readonly unsettled = new Map<number, { readonly cell: number; readonly value: string }>();
  readonly problems: string[] = [];
  #querySet = 0;
  #nextQuery = 0;
  #nextRequest = 0;
  #connections = 0;

  constructor(world: World, session: number) {
    this.world = world;
    this.session = session;
    [this.fake, this.client] = this.#open();
  }

  #open(): [FakeClient, Client] {
    const fake: FakeClient = new FakeClient(() => this.#check(fake));
    const client = this.world.shard.connect(`${this.session}.${this.#connections}`, fake);
    this.world.shard.message(
      client,
      frame({ type: "Connect", sessionId: `${SESSION}${this.session}`, connectionCount: this.#connections++ }),
    );
    return [fake, client];
  }

  /** All values of a Transition are those of its timestamp, under its identity. */
  #check(fake: FakeClient): void {
    const { ts } = fake;
    const name = this.names[fake.version.identity] ?? "";
    for (const [queryId, { value, type }] of fake.shown) {
      const query = this.queries.get(queryId);
      if (query === undefined) continue;
      const cells = query.cells.map((cell) => this.world.valueAt(cell, ts));
      const expected = query.name === "who" ? [name, ...cells] : cells;
      if (
        type === "QueryFailed"
          ? query.name !== "odd" || cells[0] !== ""
          : JSON.stringify(value) !== JSON.stringify(expected)
      ) {
        this.problems.push(`${queryId} at ${ts} shows ${JSON.stringify(value)}, not ${JSON.stringify(expected)}`);
      }
    }
  }

  send(message: object): void {
    this.world.shard.message(this.client, frame(message));
  }

  modify(modifications: readonly object[]): void {
    this.send({ type: "ModifyQuerySet", baseVersion: this.#querySet, newVersion: ++this.#querySet, modifications });
  }

  #adding(queryId: number): object {
    const { name, cells } = this.queries.get(queryId) ?? { name: "get", cells: [] };
    return { type: "Add", queryId, udfPath: `cells:${name}`, args: [{ cells }] };
  }

  act(): void {
    const { random } = this.world;
    switch (random.below(9)) {
      case 0:
      case 1: {
        const queryId = this.#nextQuery++;
        const cells = Array.from({ length: 1 + random.below(3) }, () => random.below(6));
        this.queries.set(queryId, { name: random.pick(["get", "get", "who", "odd"]), cells });
        this.modify([this.#adding(queryId)]);
        break;
      }
      case 2: {
        const [queryId] = this.queries.keys();
        if (queryId === undefined) break;
        this.queries.delete(queryId);
        this.modify([{ type: "Remove", queryId }]);
        break;
      }
      case 3: {
        const name = random.pick(["ada", "bob"]);
        this.names.push(name);
        this.send({ type: "Authenticate", baseVersion: this.names.length - 2, tokenType: "User", value: name });
        break;
      }
      case 4:
        this.send({ type: "Event", eventType: "x", event: 1 });
        break;
      case 5:
        this.send({ type: "Action", requestId: 100_000 + this.#nextRequest, udfPath: "cells:act", args: [{}] });
        break;
      case 6:
        this.reconnect();
        break;
      default: {
        const requestId = this.#nextRequest++;
        const mutation = { cell: random.below(6), value: `${this.session}/${requestId}` };
        this.unsettled.set(requestId, mutation);
        this.#mutate(requestId, mutation);
      }
    }
  }

  #mutate(requestId: number, mutation: object): void {
    this.send({ type: "Mutation", requestId, udfPath: "cells:set", args: [mutation] });
  }

  /** As npm does: the whole query set, then every mutation that was not answered. */
  reconnect(): void {
    this.answered();
    this.world.shard.disconnected(this.client);
    this.names.length = 1;
    [this.fake, this.client] = this.#open();
    this.#querySet = 0;
    this.modify([...this.queries.keys()].map((queryId) => this.#adding(queryId)));
    for (const [requestId, mutation] of this.unsettled) this.#mutate(requestId, mutation);
  }

  answered(): void {
    for (const { type, requestId, success } of this.fake.frames) {
      if (type === "MutationResponse" && success === true) this.unsettled.delete(Number(requestId));
    }
  }
}

test.for(Array.from({ length: 60 }, (_, i) => i))("SYNC1 random interleavings, run %i", async (run) => {
  const world = new World(new SeededRandom(SEED + run));
  const actors = Array.from({ length: 4 }, (_, session) => new Actor(world, session));
  for (let i = 0; i < 300; i++) {
    const { random } = world;
    if (random.chance(0.4)) random.pick(actors).act();
    else if (random.chance(0.1)) world.write(random.below(6), `outside ${i}`);
    else if (random.chance(0.05)) world.lostPushes = 1;
    else if (random.chance(0.02)) world.retainedFrom = world.ts - random.below(3);
    else await world.step();
  }
  world.lostPushes = 0;
  world.write(9, "the end");
  await world.settle();
  // The heartbeat of the object: what no push told is found in the log.
  world.shard.refreshSoon();
  await world.settle();
  for (const actor of actors) {
    expect(actor.fake.problem).toBeNull();
    expect(actor.problems).toEqual([]);
    expect(actor.fake.closing).toBeNull();
    expect(actor.fake.owed).toBeNull();
    actor.answered();
    expect([...actor.unsettled]).toEqual([]);
    expect(new Set(actor.fake.shown.keys())).toEqual(new Set(actor.queries.keys()));
    expect(actor.fake.version.identity).toBe(actor.names.length - 1);
    for (const [queryId, { name, cells }] of actor.queries) {
      const values = cells.map((cell) => world.valueAt(cell, world.ts));
      const shown = actor.fake.shown.get(queryId);
      if (name === "odd" && values[0] === "") expect(shown?.type).toBe("QueryFailed");
      else expect(shown?.value).toEqual(name === "who" ? [actor.names.at(-1), ...values] : values);
    }
  }
  expect([...world.applied.values()].every((times) => times === 1)).toBe(true);
  expect(world.shard.idle).toBe(true);

  // Everything goes on from a snapshot, without a single run.
  const snapshot = world.shard.snapshot();
  if (snapshot === null) throw new Error("an idle shard has a snapshot");
  const stored = JSON.parse(JSON.stringify(snapshot)) as typeof snapshot;
  const shard = new Shard(world.parts());
  const fakes = new Map(actors.map((actor) => [actor.client.id, actor.fake]));
  shard.restore(stored, (id) => fakes.get(id) ?? new FakeClient());
  const runs = world.queryRuns;
  expect(shard.snapshot()).toEqual(stored);
  await world.settle();
  expect(world.queryRuns).toBe(runs);
});

test("SYNC2 equal queries of many clients run once, and once more when their data changes", async () => {
  const world = new World(new SeededRandom(SEED));
  const fakes: FakeClient[] = [];
  for (let i = 0; i < 100; i++) {
    const fake = new FakeClient();
    fakes.push(fake);
    const client = world.shard.connect(String(i), fake);
    const add = { type: "Add", queryId: 0, udfPath: "cells:get", args: [{ cells: [1] }] };
    world.shard.message(client, frame({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [add] }));
  }
  await world.settle();
  expect(world.queryRuns).toBe(1);
  world.write(1, "news");
  await world.settle();
  expect(world.queryRuns).toBe(2);
  for (const { shown } of fakes) expect(shown.get(0)?.value).toEqual(["news"]);
  world.write(2, "elsewhere");
  await world.settle();
  expect(world.queryRuns).toBe(2);
  expect(fakes.every(({ frames }) => frames.length === 2)).toBe(true);
});

test("SYNC3 a change of identity runs only what reads it", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  const send = (message: object) => world.shard.message(client, frame(message));
  const modifications = ["get", "who"].map((name, queryId) => ({
    type: "Add",
    queryId,
    udfPath: `cells:${name}`,
    args: [{ cells: [1] }],
  }));
  send({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications });
  await world.settle();
  expect(world.queryRuns).toBe(2);
  send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "ada" });
  await world.settle();
  expect(world.queryRuns).toBe(3);
  // The same user with a fresh token.
  send({ type: "Authenticate", baseVersion: 1, tokenType: "User", value: "ada" });
  await world.settle();
  expect(world.queryRuns).toBe(3);
  expect(fake.version.identity).toBe(2);
  expect(fake.shown.get(1)?.value).toEqual(["ada", ""]);
});

test("SYNC34 a query goes on with its journal, over commits and the loss of the shard's memory", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  const add = { type: "Add", queryId: 0, udfPath: "cells:page", args: [{ cells: [1] }] };
  world.shard.message(client, frame({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [add] }));
  await world.settle();
  const journal = `page of ${world.ts}`;
  expect(fake.shown.get(0)).toMatchObject({ value: [journal, ""], journal });
  world.write(1, "news");
  await world.settle();
  expect(fake.shown.get(0)).toMatchObject({ value: [journal, "news"], journal });

  const stored = JSON.parse(JSON.stringify(world.shard.snapshot())) as ShardSnapshot;
  world.shard = new Shard(world.parts());
  world.shard.restore(stored, () => fake);
  world.write(1, "later news");
  await world.settle();
  expect(fake.problem).toBeNull();
  expect(fake.shown.get(0)).toMatchObject({ value: [journal, "later news"], journal });

  // A client that comes back says what it knows.
  const other = new FakeClient();
  const again = world.shard.connect("b", other);
  const known = { ...add, journal: "page of 7" };
  world.shard.message(again, frame({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [known] }));
  await world.settle();
  expect(other.shown.get(0)).toMatchObject({ value: ["page of 7", "later news"], journal: "page of 7" });
});

test("SYNC33 commits that are in the log no more cost a run of everything, and nobody sees a stale result", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  const modifications = [1, 2].map((cell) => ({
    type: "Add",
    queryId: cell,
    udfPath: "cells:get",
    args: [{ cells: [cell] }],
  }));
  world.shard.message(client, frame({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications }));
  await world.settle();
  world.lostPushes = 2;
  world.write(1, "missed");
  world.write(3, "missed too");
  world.retainedFrom = world.ts;
  const runs = world.queryRuns;
  world.write(4, "elsewhere, and pushed");
  await world.settle();
  expect(world.queryRuns).toBe(runs + 2);
  expect(fake.problem).toBeNull();
  expect([1, 2].map((cell) => fake.shown.get(cell)?.value)).toEqual([["missed"], [""]]);
  expect(fake.ts).toBe(world.ts);
});

test("SYNC4 a client that does not read gets no more Transitions, then one with the newest state", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  const add = { type: "Add", queryId: 0, udfPath: "cells:get", args: [{ cells: [1] }] };
  world.shard.message(client, frame({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [add] }));
  await world.settle();
  fake.behind = 10_000_000;
  for (let i = 0; i < 50; i++) {
    world.write(1, String(i));
    for (let n = 0; n < 5; n++) await world.step();
  }
  while (world.pushes.length > 0) await world.step();
  expect(fake.frames.length).toBe(1);
  fake.behind = 0;
  await world.settle();
  expect(fake.frames.length).toBe(2);
  expect(fake.shown.get(0)?.value).toEqual(["49"]);
});

test("SYNC5 a client that never reads is closed retriably", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  const add = { type: "Add", queryId: 0, udfPath: "cells:get", args: [{ cells: [1] }] };
  world.shard.message(client, frame({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [add] }));
  await world.settle();
  fake.behind = 10_000_000;
  world.write(1, "news");
  while (fake.closing === null) {
    world.now += 1000;
    await world.step();
  }
  expect(fake.closing).toEqual({ code: 1013, reason: "SlowReader" });
});

test("SYNC6 an expired token is told when something is wanted, and nothing runs under it", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  const send = (message: object) => world.shard.message(client, frame(message));
  send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "short" });
  send({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [] });
  await world.settle();
  world.now += 100;
  send({ type: "Mutation", requestId: 0, udfPath: "cells:set", args: [{ cell: 1, value: "x" }] });
  await world.settle();
  expect(fake.frames.at(-1)).toEqual({
    type: "AuthError",
    error: "Convex token identity expired",
    baseVersion: 1,
    authUpdateAttempted: false,
  });
  expect(fake.closing).toEqual({ code: null, reason: "" });
  expect(world.applied.size).toBe(0);
});

test("SYNC8 E-C-7b the 1001st mutation that waits closes the socket", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  const send = (requestId: number) =>
    world.shard.message(client, frame({ type: "Mutation", requestId, udfPath: "cells:fail", args: [{}] }));
  for (let i = 0; i < 1000; i++) send(i);
  expect(fake.closing).toBeNull();
  send(1000);
  expect(fake.closing).toMatchObject({ code: 1013, reason: expect.stringMatching(/^TooManyConcurrentMutations: /) });
  await world.settle();
  expect(fake.frames).toEqual([]);
});

test("SYNC7 a provider that is down closes retriably, without an AuthError", async () => {
  const world = new World(new SeededRandom(SEED));
  const fake = new FakeClient();
  const client = world.shard.connect("a", fake);
  world.shard.message(client, frame({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "down" }));
  await world.settle();
  expect(fake.frames).toEqual([]);
  expect(fake.closing).toEqual({ code: 1013, reason: "ProviderDown" });
});
