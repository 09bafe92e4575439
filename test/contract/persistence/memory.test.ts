import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { persistenceContract } from "./suite.ts";

persistenceContract("memory", async () => new MemoryPersistence());
