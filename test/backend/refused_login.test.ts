/** A login that a backend has refused is said again seldom: servers lock an account for it. */
import { describe, expect, test } from "bun:test";
import { RefusedLogin } from "../../src/backend/refused_login.ts";
import { PoolScene } from "../support/pool_scene.ts";

const MINUTE = 60_000;

describe("our login,", () => {
  test("refused, is barred for a minute, then two, four, eight, at most fifteen, with the reason", () => {
    const login = new RefusedLogin();
    let now = 0;
    const pauses = Array.from({ length: 6 }, (_, i) => {
      expect(login.barred(now)).toBeUndefined();
      login.refused(`no ${i}`, now);
      const from = now;
      while (login.barred(now) !== undefined) {
        expect(login.barred(now)).toBe(`no ${i}`);
        now += MINUTE;
      }
      return (now - from) / MINUTE;
    });
    expect(pauses).toEqual([1, 2, 4, 8, 15, 15]);
  });

  test("refused several times at once, is barred as after one refusal", () => {
    const login = new RefusedLogin();
    for (const now of [0, 1, 2]) login.refused("no", now);
    expect(login.barred(MINUTE)).toBeUndefined();
  });

  test("accepted, begins anew", () => {
    const login = new RefusedLogin();
    login.refused("no", 0);
    login.refused("no", MINUTE);
    login.accepted();
    expect(login.barred(MINUTE)).toBeUndefined();
    login.refused("no", 2 * MINUTE);
    expect(login.barred(3 * MINUTE)).toBeUndefined();
  });
});

/** How often it was said to the backends of a scene. */
function said({ dials }: PoolScene): number {
  return dials.filter(({ heard }) => heard.includes("AUTH PLAIN")).length;
}

describe("a backend that refuses our login", () => {
  test("hears it a few times an hour, however often it is looked at and mail comes, and works when it takes it", async () => {
    const scene = new PoolScene(["127.0.0.1:25?login=u:secret"], { interval: 30_000 });
    scene.auth = "535 5.7.8 wrong";
    for (let minute = 0; minute < 60; minute++) {
      expect(scene.want([], true).host).toBeUndefined();
      await scene.pass(MINUTE, 500);
    }
    expect(scene.dials.length).toBeGreaterThan(100);
    expect(said(scene)).toBeLessThanOrEqual(8);
    expect(scene.want([], true).reason).toContain("answered AUTH with 5.7.8 wrong (535)");
    scene.auth = "235 2.7.0 Ok";
    await scene.pass(16 * MINUTE, 500);
    expect(scene.want([], true).host).toBe("127.0.0.1");
    const before = said(scene);
    scene.want([], true);
    expect(said(scene)).toBe(before + 1);
  });

  test("for now (4yz) is told it again at once", async () => {
    const scene = new PoolScene(["127.0.0.1:25?login=u:p"]);
    scene.auth = "454 4.7.0 later";
    for (let i = 0; i < 3; i++) scene.want([], true);
    expect(said(scene)).toBe(3);
    scene.auth = "235 2.7.0 Ok";
    await scene.pass(2000);
    expect(scene.want().host).toBe("127.0.0.1");
  });

  test("is told it once in that minute, by whoever comes, and so is another one", async () => {
    const scene = new PoolScene(["127.0.0.1:25?login=u:secret", "127.0.0.2:25?login=u:secret"]);
    scene.auth = "535 5.7.8 wrong";
    for (let i = 0; i < 5; i++) scene.want([], true);
    expect(said(scene)).toBe(2);
    await scene.pass(30_000);
    expect(said(scene)).toBe(2);
  });
});
