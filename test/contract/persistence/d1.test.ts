import { afterAll, beforeAll } from "vitest";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { testDatabases, type TestDatabases } from "../../support/d1.ts";
import { persistenceContract } from "./suite.ts";

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(60);
});

afterAll(async () => {
  await databases.dispose();
});

persistenceContract("D1", async () => new D1Persistence((await databases.create()).db));
