import { decodeTs, encodeTs, type Frame, type Modification, RawSocket, type Transition } from "../raw-socket.ts";
import type { LedgerModel } from "./ledger-model.ts";
import { type LedgerQuery, newPage, problemOf, queryArgs, udfPath } from "./shown-query.ts";

interface Request {
  readonly type: "Mutation" | "Action";
  readonly udfPath: string;
  readonly args: { readonly id: string; readonly cell: number; readonly value: string | null };
  answer: { readonly seq: number; readonly ts: string } | null;
}

/** What a Transition left on the screen. */
interface Screen {
  readonly where: string;
  readonly name: string | null;
  readonly shown: readonly (readonly [query: LedgerQuery, result: Modification])[];
}

const HEAD_ID = 0;

/**
 * A client of the sync protocol with a session of its own, in raw frames: it subscribes, writes, says who it is and
 * comes back as npm clients do, and holds everything it is sent against the protocol and against the ledger.
 */
export class LedgerClient {
  readonly sessionId: string;
  readonly problems: string[] = [];
  readonly #url: string;
  readonly #number: number;
  readonly #model: LedgerModel;
  #socket: RawSocket | null = null;
  #connections = 0;
  #nextQuery = HEAD_ID;
  #nextRequest = 0;
  #maxObserved = 0n;
  readonly #queries = new Map<number, LedgerQuery>();
  readonly #requests = new Map<number, Request>();
  /** In the order in which they are sent again. */
  readonly #unsettled = new Set<number>();
  readonly #waiting = new Set<{ readonly good: () => boolean; readonly resolve: () => void }>();
  readonly #screens: Screen[] = [];
  screensChecked = 0;

  // Of this connection
  #querySet = 0;
  /** Query ids by the version that has them. */
  #sets = new Map<number, ReadonlySet<number>>();
  /** By identity version. */
  #names: (string | null)[] = [];
  /** Mutations sent and not answered, in order. */
  #inOrder: number[] = [];
  #shown = new Map<number, Modification>();
  /** What it has seen before: no Transition may be older. */
  #minTs = 0n;
  /** Of the last answer: a Transition that is not older has to follow. */
  #answeredTs = 0n;
  #owesTransition = false;
  #expectedClose: number | null = null;

  constructor(url: string, number: number, model: LedgerModel) {
    this.#url = url;
    this.#number = number;
    this.#model = model;
    this.sessionId = `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
    this.#queries.set(this.#nextQuery++, { name: "head" });
  }

  get queryIds(): readonly number[] {
    return [...this.#queries.keys()].filter((id) => id !== HEAD_ID);
  }

  get connections(): number {
    return this.#connections;
  }

  /** The number of the last write it shows. */
  get head(): number {
    return Number(this.#shown.get(HEAD_ID)?.value ?? 0);
  }

  shown(): readonly (readonly [query: LedgerQuery, result: Modification | undefined])[] {
    return [...this.#queries].map(([id, query]) => [query, this.#shown.get(id)]);
  }

  /** Every acknowledged write with its number. */
  acknowledged(): readonly (readonly [id: string, seq: number])[] {
    return [...this.#requests.values()].flatMap(({ args, answer }) => (answer === null ? [] : [[args.id, answer.seq]]));
  }

  /** The first connection, or the next: `name` is who it is there. */
  async connect(name: Identification | null, keepJournals: boolean): Promise<void> {
    for (const id of this.#unsettled) {
      // As npm clients: an action in flight is lost with its connection.
      if (this.#requests.get(id)?.type === "Action") this.#unsettled.delete(id);
    }
    this.#querySet = 0;
    this.#sets = new Map([[0, new Set()]]);
    this.#names = [null];
    this.#inOrder = [];
    this.#shown = new Map();
    this.#minTs = this.#maxObserved;
    this.#answeredTs = 0n;
    this.#expectedClose = null;
    const socket: RawSocket = await RawSocket.open(this.#url, {
      sessionId: this.sessionId,
      connect: false,
      onFrame: (frame) => {
        if (this.#socket === socket) this.#arrived(socket, frame);
      },
    });
    this.#socket = socket;
    socket.connect({
      connectionCount: this.#connections++,
      ...(this.#maxObserved === 0n ? {} : { maxObservedTimestamp: encodeTs(this.#maxObserved) }),
    });
    if (name !== null) this.authenticate(name);
    for (const [id, query] of this.#queries) {
      if (query.name !== "page") continue;
      // Without its journal it is another page: it ends where it ends now.
      if (!keepJournals || query.journal === null) this.#queries.set(id, newPage(query.from, query.numItems));
    }
    this.#modify([...this.#queries.keys()].map((id) => this.#adding(id)));
    for (const id of this.#unsettled) this.#sendRequest(id);
  }

  /** The network is gone; nothing that still arrives counts. */
  cut(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  add(queries: readonly LedgerQuery[], skip = 0): void {
    const ids = queries.map((query) => {
      const id = this.#nextQuery++;
      this.#queries.set(id, query);
      return id;
    });
    this.#modify(
      ids.map((id) => this.#adding(id)),
      skip,
    );
  }

  remove(ids: readonly number[]): void {
    for (const id of ids) this.#queries.delete(id);
    this.#modify(ids.map((queryId) => ({ type: "Remove", queryId })));
  }

  /** In one message. */
  addAndRemove(query: LedgerQuery): void {
    const id = this.#nextQuery++;
    this.#queries.set(id, query);
    const adding = this.#adding(id);
    this.#queries.delete(id);
    this.#modify([adding, { type: "Remove", queryId: id }]);
  }

  authenticate({ name, message }: Identification): void {
    this.#names.push(name);
    this.#live.authenticate(message);
  }

  event(): void {
    this.#live.send({ type: "Event", eventType: "NetworkRecoveryReconnect", event: { timeSavedMs: 1 } });
  }

  request(type: Request["type"], path: string, write: Omit<Request["args"], "id">): void {
    const id = this.#nextRequest++;
    const args = { id: `${this.#number}/${id}`, ...write };
    this.#requests.set(id, { type, udfPath: path, args, answer: null });
    this.#sendRequest(id);
  }

  /** Asks again for something that was answered, in other words. `which`: in [0, 1). */
  repeat(which: number): void {
    const answered = [...this.#requests].filter(([, { type, answer }]) => type === "Mutation" && answer !== null);
    const [id] = answered[Math.floor(which * answered.length)] ?? [];
    if (id === undefined || this.#connections < 2 || this.#unsettled.has(id)) return;
    this.#sendRequest(id, { cell: 0, value: "never written" });
  }

  /** Says something that the server must hang up on. */
  offend(message: object, code: number): void {
    this.#expectedClose = code;
    this.#live.send(message);
  }

  async hungUp(): Promise<void> {
    await this.#until(() => this.#socket === null);
  }

  get versions(): { readonly querySet: number; readonly identity: number } {
    return { querySet: this.#querySet, identity: this.#names.length - 1 };
  }

  /** Everything it asked for was answered, and a Transition told what follows from it. */
  async settled(): Promise<void> {
    await this.#until(() => {
      const { querySet, identity, ts } = this.#live.version;
      const told =
        querySet === this.#querySet && identity === this.#names.length - 1 && decodeTs(ts) >= this.#answeredTs;
      return this.#unsettled.size === 0 && told && !this.#owesTransition;
    });
  }

  async shows(seq: number): Promise<void> {
    await this.#until(() => this.head >= seq);
  }

  /** Holds what was shown against the ledger, as far as that is known. */
  check(): void {
    for (;;) {
      const [screen] = this.#screens;
      if (screen === undefined) return;
      const seq = Number(screen.shown.find(([{ name }]) => name === "head")?.[1].value);
      if (seq > this.#model.known) return;
      this.#screens.shift();
      this.screensChecked += 1;
      for (const [query, result] of screen.shown) {
        const problem = problemOf(query, result, { model: this.#model, seq, name: screen.name });
        if (problem !== null) this.problems.push(`${screen.where}, write ${seq}, ${JSON.stringify(query)}: ${problem}`);
      }
    }
  }

  get #live(): RawSocket {
    if (this.#socket === null) throw new Error("the client is not connected");
    return this.#socket;
  }

  #adding(id: number): object {
    const query = this.#queries.get(id);
    if (query === undefined) throw new Error(`no query ${id}`);
    return {
      type: "Add",
      queryId: id,
      udfPath: udfPath(query),
      args: [queryArgs(query)],
      ...(query.name === "page" && query.journal !== null ? { journal: query.journal } : {}),
    };
  }

  #modify(modifications: readonly object[], skip = 0): void {
    const baseVersion = this.#querySet;
    this.#querySet += 1 + skip;
    this.#sets.set(this.#querySet, new Set(this.#queries.keys()));
    this.#live.send({ type: "ModifyQuerySet", baseVersion, newVersion: this.#querySet, modifications });
  }

  #sendRequest(id: number, other: object = {}): void {
    const request = this.#requests.get(id);
    if (request === undefined) throw new Error(`no request ${id}`);
    this.#unsettled.add(id);
    if (request.type === "Mutation") this.#inOrder.push(id);
    const args = [{ ...request.args, ...other }];
    this.#live.send({ type: request.type, requestId: id, udfPath: request.udfPath, args });
  }

  #until(good: () => boolean): Promise<void> {
    if (good()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ good, resolve }));
  }

  #arrived(socket: RawSocket, frame: Frame): void {
    if (frame.type === "Transition") this.#follow(socket, frame as Transition);
    else if (frame.type === "MutationResponse" || frame.type === "ActionResponse") this.#answered(frame);
    else if (frame.type === "closed") this.#closed(frame);
    else if (frame.type !== "Ping") this.problems.push(`a frame that nobody asked for: ${JSON.stringify(frame)}`);
    for (const waiting of this.#waiting) {
      if (!waiting.good()) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  #closed({ code }: Frame): void {
    this.#socket = null;
    if (code !== this.#expectedClose) this.problems.push(`closed with ${JSON.stringify(code)}`);
  }

  #answered({ type, requestId, success, result, ts }: Frame): void {
    const id = Number(requestId);
    const request = this.#requests.get(id);
    const where = `request ${this.#number}/${id}`;
    if (type === "MutationResponse" && this.#inOrder.shift() !== id) this.problems.push(`${where} is out of order`);
    if (request === undefined || !this.#unsettled.delete(id)) {
      this.problems.push(`${where} is answered, and nobody waits for it`);
      return;
    }
    this.#owesTransition = true;
    if ((success === true) === request.udfPath.endsWith("Fail")) {
      this.problems.push(`${where} is answered with ${JSON.stringify(result)}`);
    }
    if (success !== true) return;
    const answer = { seq: Number(result), ts: typeof ts === "string" ? ts : "" };
    if (request.answer !== null && JSON.stringify(request.answer) !== JSON.stringify(answer)) {
      this.problems.push(`${where} is answered ${JSON.stringify(answer)}, and was ${JSON.stringify(request.answer)}`);
    }
    request.answer = answer;
    this.#model.record({ seq: answer.seq, ...request.args });
    if (type === "ActionResponse") return;
    const at = decodeTs(ts);
    this.#model.sawHead(at, answer.seq);
    if (at > this.#answeredTs) this.#answeredTs = at;
    if (at > this.#maxObserved) this.#maxObserved = at;
  }

  #follow(socket: RawSocket, { endVersion, modifications }: Transition): void {
    const where = `${this.#number} at ${JSON.stringify(endVersion)}`;
    const ts = decodeTs(endVersion.ts);
    if (socket.broken !== null) this.problems.push(socket.broken);
    if (ts < this.#minTs) this.problems.push(`${where}: it has seen ${this.#minTs}`);
    const wanted = this.#sets.get(endVersion.querySet);
    if (wanted === undefined || endVersion.identity >= this.#names.length) {
      this.problems.push(`${where}: no such version`);
      return;
    }
    this.#owesTransition = false;
    for (const [i, modification] of modifications.entries()) this.#modified(where, modification, modifications[i - 1]);
    // What it has taken back since is nothing to it, whatever it was sent.
    const shown: [LedgerQuery, Modification][] = [];
    for (const [id, query] of this.#queries) {
      const result = this.#shown.get(id);
      if (wanted.has(id) && result !== undefined) shown.push([query, result]);
      else if (wanted.has(id)) this.problems.push(`${where}: nothing for query ${id}`);
    }
    for (const id of this.#shown.keys()) if (!wanted.has(id)) this.problems.push(`${where}: ${id} is still shown`);
    if (ts > this.#maxObserved) this.#maxObserved = ts;
    if (!wanted.has(HEAD_ID)) return;
    this.#model.sawHead(ts, this.head);
    this.#screens.push({ where, name: this.#names[endVersion.identity] ?? null, shown });
  }

  #modified(where: string, modification: Modification, before: Modification | undefined): void {
    const { type, queryId, logLines, journal } = modification;
    const shown = this.#shown.get(queryId);
    if (before !== undefined && before.queryId >= queryId) this.problems.push(`${where}: ${queryId} is out of order`);
    if (type === "QueryRemoved") {
      if (!this.#shown.delete(queryId)) this.problems.push(`${where}: ${queryId} is removed, and was not shown`);
      return;
    }
    if (!Array.isArray(logLines) || journal === undefined) this.problems.push(`${where}: ${queryId} lacks a field`);
    if (shown?.type === type && type === "QueryUpdated") {
      if (JSON.stringify(shown.value) === JSON.stringify(modification.value)) {
        this.problems.push(`${where}: ${queryId} is sent again and is the same`);
      }
    }
    this.#shown.set(queryId, modification);
    const query = this.#queries.get(queryId);
    if (query?.name === "page" && typeof journal === "string") query.journal = journal;
  }
}

/** An `Authenticate` and the name under which functions see its sender. */
export interface Identification {
  readonly name: string | null;
  readonly message: object;
}
