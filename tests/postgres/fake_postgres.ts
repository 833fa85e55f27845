/**
 * A PostgreSQL of a few lines, for tests without a server: it knows the statements of a store, and
 * carries each out as a transaction. `tests/postgres/server` has the real ones.
 *
 * @module
 */

import type { QueryClient, Row } from "../../backends/postgres/client.ts";
import { type Statements, statementsFor } from "../../backends/postgres/sql.ts";

/** A row of the stores. */
interface StoreRow {
  readonly id: number;
  readonly name: string;
  readonly page_size: number;
  byte_length: number;
  epoch: number;
  version: number;
  session: string | null;
  holder: string | null;
  renewed: number;
}

/** A row of the pages. */
interface PageRow {
  readonly version: number;
  readonly data: Uint8Array;
}

/** What a database holds. */
export interface Tables {
  readonly stores: Map<string, StoreRow>;
  readonly pages: Map<string, Map<number, PageRow>>;
  readonly redos: Map<string, Map<number, Uint8Array>>;
}

type Values = readonly (string | Uint8Array)[];

/** An error as the server sends it. */
export class SqlError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`an error of class ${code}`);
    this.code = code;
  }
}

/** A database with a client. */
export class FakePostgres implements QueryClient {
  tables: Tables = { stores: new Map(), pages: new Map(), redos: new Map() };
  /** Every statement that was sent, by name. */
  readonly sent: string[] = [];
  /** Called before a statement: what it throws is its answer, and it is not carried out. */
  before: (name: string) => unknown = () => {};
  /** Called after a statement was carried out: what it throws takes the place of the answer. */
  after: (name: string) => unknown = () => {};
  /** The clock of the server, in milliseconds. */
  now = 0;
  readonly #statements: Statements;

  constructor() {
    this.#statements = statementsFor({});
  }

  async query(text: string, values: unknown[] = []): Promise<{ rows: Row[] }> {
    const { install, ...others } = this.#statements;
    const found = Object.entries(others).find(([, statement]) => statement === text)?.[0];
    const name = found ?? (install.includes(text) ? "install" : undefined);
    if (name === undefined) throw new SqlError("42601");
    this.sent.push(name);
    // Bytes belong to the caller again once there is an answer.
    const all = values.map((value) => value instanceof Uint8Array ? value.slice() : String(value));
    await this.before(name);
    const rows = this.#run(name, all);
    await this.after(name);
    return { rows };
  }

  /** What the database holds now. */
  snapshot(): Tables {
    const { stores, pages, redos } = this.tables;
    return {
      stores: new Map([...stores].map(([id, row]) => [id, { ...row }])),
      pages: new Map([...pages].map(([id, rows]) => [id, new Map(rows)])),
      redos: new Map([...redos].map(([id, rows]) => [id, new Map(rows)])),
    };
  }

  /** The requests since the last call, by name. */
  takeSent(): string[] {
    return this.sent.splice(0);
  }

  #run(name: string, values: Values): Row[] {
    const [id] = values as string[], store = this.tables.stores.get(id);
    switch (name) {
      case "create":
        return this.#create(values as string[]);
      case "open":
        return this.#open(values as string[]);
      case "look":
        return [...this.tables.stores.values()].filter((row) => row.name === id).map(shown);
      case "remove":
        return this.#remove(id);
      case "last":
        return [{ last: store && maxOf(this.#pages(id).keys()) }];
      case "redo":
        return [...this.#redos(id)].map(([version, writes]) => ({ version: `${version}`, writes }));
      case "pages":
        return store === undefined ? [] : this.#read(store, values[1] as string);
      case "changes":
        return store === undefined ? [] : this.#changes(store, values as string[]);
      case "state":
        return store === undefined ? [] : [shown(store)];
      case "renew":
      case "release":
        if (store?.session === values[1]) {
          if (name === "release") store.holder = null;
          else if (store.holder !== null) store.renewed = this.now;
        }
        return [];
      case "commitRedo":
      case "commitPages":
      case "commitCut":
        return store === undefined ? [] : this.#commit(store, name, values);
      default:
        return [];
    }
  }

  #create([name, pageSize]: string[]): Row[] {
    const { stores } = this.tables;
    if ([...stores.values()].some((row) => row.name === name)) return [];
    const id = stores.size + 1;
    const row = { id, name, page_size: Number(pageSize), byte_length: 0, epoch: 0, version: 0 };
    stores.set(String(id), { ...row, session: null, holder: null, renewed: 0 });
    return [];
  }

  #open([name, session, holder, lockMs]: string[]): Row[] {
    const row = [...this.tables.stores.values()].find((row) => row.name === name);
    if (row === undefined) return [];
    const isFree = row.holder === null || row.session === session ||
      row.renewed <= this.now - Number(lockMs);
    if (!isFree) return [];
    Object.assign(row, { session, holder, epoch: row.epoch + 1, renewed: this.now });
    return [shown(row)];
  }

  #remove(name: string): Row[] {
    const { stores, pages, redos } = this.tables;
    const found = [...stores].filter(([, row]) => row.name === name);
    for (const [id] of found) for (const table of [stores, pages, redos]) table.delete(id);
    return found.map(([id]) => ({ id }));
  }

  #read(store: StoreRow, numbers: string): Row[] {
    const pages = this.#pages(String(store.id));
    const found = numbersOf(numbers).filter((n) => pages.has(n)).map((n) => {
      const { version, data } = pages.get(n)!;
      return { ...shown(store), page: String(n), page_version: String(version), data };
    });
    return found.length > 0 ? found : [{ ...shown(store), page: null, data: null }];
  }

  #changes(store: StoreRow, [id, known, numbers, versions]: string[]): Row[] {
    const redos = [...this.#redos(id)], pages = this.#pages(id), ofPages = numbersOf(versions);
    const first = redos.length === 0 ? null : String(Math.min(...redos.map(([n]) => n)));
    return [
      { ...shown(store), kind: "store", number: String(store.byte_length) },
      ...redos.filter(([version]) => version > Number(known))
        .map(([version, writes]) => ({ kind: "redo", version: `${version}`, writes })),
      { kind: "first", number: first },
      ...numbersOf(numbers).filter((n, i) => (pages.get(n)?.version ?? -1) !== ofPages[i])
        .map((n) => ({ kind: "page", number: String(n) })),
    ];
  }

  #commit(store: StoreRow, name: string, values: Values): Row[] {
    const [id, session, epoch, version, length, numbers, bytes, size, cut] = values;
    const isOurs = store.session === session && store.epoch === Number(epoch) &&
      store.version === Number(version);
    if (!isOurs) return [];
    store.version++;
    store.byte_length = Number(length);
    store.renewed = this.now;
    const done = [{ version: String(store.version) }];
    if (name === "commitRedo") {
      this.#redos(id as string).set(store.version, values[5] as Uint8Array);
      return done;
    }
    this.#redos(id as string).clear();
    const pages = this.#pages(id as string), sent = numbersOf(numbers as string);
    if (name === "commitCut") {
      for (const n of pages.keys()) if (n >= Number(cut) && !sent.includes(n)) pages.delete(n);
    }
    sent.forEach((n, i) => {
      const data = (bytes as Uint8Array).slice(i * Number(size), (i + 1) * Number(size));
      pages.set(n, { version: store.version, data });
    });
    return done;
  }

  #pages(id: string): Map<number, PageRow> {
    return tableOf(this.tables.pages, id);
  }

  #redos(id: string): Map<number, Uint8Array> {
    return tableOf(this.tables.redos, id);
  }
}

function tableOf<T>(tables: Map<string, Map<number, T>>, id: string): Map<number, T> {
  const table = tables.get(id) ?? new Map();
  tables.set(id, table);
  return table;
}

function shown(row: StoreRow): Row {
  const { session, holder } = row;
  const numbers = { id: row.id, page_size: row.page_size, byte_length: row.byte_length };
  const texts = Object.entries({ ...numbers, epoch: row.epoch, version: row.version })
    .map(([name, value]) => [name, String(value)]);
  const since = new Date(row.renewed).toISOString();
  return { ...Object.fromEntries(texts), session, holder, address: null, since };
}

function numbersOf(text: string): number[] {
  return text === "" ? [] : text.split(",").map(Number);
}

function maxOf(numbers: Iterable<number>): string | null {
  const all = [...numbers];
  return all.length === 0 ? null : String(Math.max(...all));
}
