export * from "../../src/testing/scene.ts";
