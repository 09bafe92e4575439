import { MemoryFileStore } from "../../support/memory-file-store.ts";
import { fileStoreContract } from "./suite.ts";

fileStoreContract("memory", async () => new MemoryFileStore({ now: () => Date.now() }));
