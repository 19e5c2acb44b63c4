export * from "../../src/testing/backend.ts";
