import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { type Identification, LedgerClient } from "../../support/ledger/ledger-client.ts";
import { type Entry, LedgerModel } from "../../support/ledger/ledger-model.ts";
import { type LedgerQuery, newPage, queryArgs, udfPath } from "../../support/ledger/shown-query.ts";
import { FIXTURES } from "../../support/paths.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const STEPS = 1000;
const CLIENTS = 4;
/** Everybody waits until everything is told, every so many steps. */
const PAUSE = 100;
/** Written again and again; those beyond are written once or twice, and are what pages are made of. */
const CELLS = 6;

let backend: TestBackend;
let http: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(() => backend.stop());

test("WS-S6 SYNC1 a thousand random steps of four sockets: every Transition starts where the last one ended and shows the database of its timestamp", async () => {
  const seed = freshSeed();
  console.info(`seed ${seed} (SEED=${seed} draws the same steps)`);
  const random = new SeededRandom(seed);
  const model = new LedgerModel();
  const clients = Array.from({ length: CLIENTS }, (_, i) => new LedgerClient(backend.url, i, model));
  const everybody = (what: (client: LedgerClient) => Promise<void>) => Promise.all(clients.map(what));
  const outside = new Set<Promise<void>>();
  const entered: number[] = [];

  const someone = (): Identification => {
    const name = random.pick(["Ada", "Bob", null]);
    const impersonating = { issuer: "https://issuer.test", subject: String(name), name };
    return name === null
      ? { name, message: { tokenType: "None" } }
      : { name, message: { tokenType: "Admin", value: backend.adminKey, impersonating } };
  };
  const cells = () => Array.from({ length: 1 + random.below(3) }, () => random.below(CELLS));
  const aQuery = (): LedgerQuery => {
    const name = random.pick(["some", "signed", "full", "page"] as const);
    if (name === "page") return newPage(CELLS + random.below(3) * 300, 1 + random.below(4));
    return name === "full" ? { name, cell: random.below(CELLS) } : { name, cells: cells() };
  };
  let writes = 0;
  const aWrite = () => {
    const value = random.chance(0.2) ? null : `value ${++writes}`;
    if (random.chance(0.5)) return { cell: random.below(CELLS), value };
    if (random.chance(0.3) && entered.length > 0) {
      const [cell = 0] = entered.splice(random.below(entered.length), 1);
      return { cell, value: null };
    }
    const cell = CELLS + Math.floor(random.next() * 1e6) / 1e3;
    entered.push(cell);
    return { cell, value: `value ${++writes}` };
  };
  let outsideWrites = 0;
  const acknowledged: (readonly [id: string, seq: number])[] = [];
  const writeOutside = () => {
    const write = { id: `outside/${outsideWrites++}`, ...aWrite() };
    const call = random.chance(0.2)
      ? http.action<number>("ledger:putByAction", write)
      : http.mutation<number>("ledger:put", write);
    const done = call.then((seq) => {
      model.record({ seq, ...write });
      acknowledged.push([write.id, seq]);
      outside.delete(done);
    });
    outside.add(done);
  };

  /** Sets what was written by actions whose answer was lost, and checks every screen. */
  const checkEverything = async () => {
    await Promise.all(outside);
    await everybody((client) => client.settled());
    const seq = await http.query<number>("ledger:head");
    for (const entry of await http.query<Entry[]>("ledger:since", { seq: model.known })) model.record(entry);
    await everybody((client) => client.shows(seq));
    check();
  };
  const check = () => {
    for (const client of clients) client.check();
    expect([...clients.flatMap(({ problems }) => problems), ...model.problems]).toEqual([]);
  };

  const reconnect = (client: LedgerClient) => client.connect(random.chance(0.6) ? someone() : null, random.chance(0.7));
  await everybody(reconnect);
  for (let step = 1; step <= STEPS; step++) {
    const client = random.pick(clients);
    const ids = client.queryIds;
    switch (random.below(20)) {
      case 0:
      case 1:
      case 2:
        if (ids.length < 8) client.add([aQuery(), ...(random.chance(0.3) ? [aQuery()] : [])], random.below(3));
        break;
      case 3:
      case 4:
        if (ids.length > 0) client.remove([...new Set([random.pick(ids), random.pick(ids)])]);
        break;
      case 5:
        if (random.chance(0.5)) client.addAndRemove(aQuery());
        else client.add([]);
        break;
      case 6:
      case 7:
        client.authenticate(someone());
        break;
      case 8:
        client.request("Action", "ledger:putByAction", aWrite());
        break;
      case 9:
        client.request("Mutation", "ledger:putAndFail", aWrite());
        break;
      case 10:
        client.repeat(random.next());
        break;
      case 11:
        client.event();
        break;
      case 12:
        client.cut();
        await reconnect(client);
        break;
      case 13:
        if (random.chance(0.3)) await offend(client);
        break;
      case 14:
      case 15:
        writeOutside();
        break;
      default:
        for (let n = random.below(3); n >= 0; n--) client.request("Mutation", "ledger:put", aWrite());
    }
    if (step % PAUSE === 0) await checkEverything();
    else if (random.chance(0.5)) await random.pick(clients).settled();
    check();
  }
  await checkEverything();
  model.checkHeads();
  check();

  async function offend(client: LedgerClient): Promise<void> {
    const { querySet, identity } = client.versions;
    const modifications: object[] = [];
    const [message, code] = random.pick([
      [{ type: "ModifyQuerySet", baseVersion: querySet + 1, newVersion: querySet + 2, modifications }, 1013],
      [{ type: "ModifyQuerySet", baseVersion: querySet, newVersion: querySet, modifications }, 1011],
      [{ type: "Authenticate", baseVersion: identity + 1, tokenType: "None" }, 1013],
    ] as const);
    client.offend(message, code);
    await client.hungUp();
    await reconnect(client);
  }

  // Each write was applied once, in one order, and whoever was told so was told the truth.
  const ledger = await http.query<Entry[]>("ledger:since", { seq: 0 });
  expect(ledger.map(({ seq }) => seq)).toEqual(ledger.map((_, i) => i + 1));
  expect(new Set(ledger.map(({ id }) => id)).size).toBe(ledger.length);
  expect(ledger.slice(0, model.entries.length)).toEqual(model.entries);
  const numbers = new Map(ledger.map(({ id, seq }) => [id, seq]));
  for (const client of clients) acknowledged.push(...client.acknowledged());
  for (const [id, seq] of acknowledged) expect([id, numbers.get(id)]).toEqual([id, seq]);
  expect(acknowledged.length).toBeGreaterThan(STEPS / 4);
  // What the database itself answers, when nothing has been written meanwhile.
  for (const client of clients) {
    for (const [query, result] of client.shown()) {
      if (query.name !== "some") continue;
      const answer = await http.query(udfPath(query), { ...queryArgs(query) });
      if ((await http.query<number>("ledger:head")) === client.head) expect(result?.value).toEqual(answer);
    }
    expect(client.connections).toBeGreaterThan(1);
    expect(client.screensChecked).toBeGreaterThan(STEPS / CLIENTS / 10);
  }
});
