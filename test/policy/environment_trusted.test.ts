/** SALLYPORT_TRUSTED and the listeners that need it. */
import { expect, test } from "bun:test";
import { readEnvironment } from "../../src/policy/environment.ts";
import { settingsMistakes } from "../../src/policy/check_settings.ts";
import { DEFAULTS } from "../../src/policy/settings.ts";

test("networks with commas or spaces, and none where it is not set", () => {
  const { environment, mistakes } = readEnvironment({
    SALLYPORT_TRUSTED: "10.0.0.5, 192.0.2.0/24 2001:db8::/48",
  });
  expect([environment.trusted, mistakes]).toEqual([["10.0.0.5", "192.0.2.0/24", "2001:db8::/48"], []]);
  expect(readEnvironment({}).environment.trusted).toEqual([]);
});

test("what is no network is named, once, beside a listener that needs one", () => {
  const { environment, mistakes } = readEnvironment({
    SALLYPORT_TRUSTED: "haproxy.example,10.0.0.0/33",
    SALLYPORT_LISTEN: "proxy://127.0.0.1:25",
    SALLYPORT_BACKEND: "127.0.0.1:10025",
    SALLYPORT_HOSTNAME: "mx.example",
  });
  expect(mistakes).toEqual([
    expect.stringContaining(
      'SALLYPORT_TRUSTED: "haproxy.example" was given; allowed is an address or a network',
    ),
    expect.stringContaining('SALLYPORT_TRUSTED: "10.0.0.0/33" was given'),
  ]);
  const { hostname, listen, backends, trusted } = environment;
  expect(settingsMistakes({ ...DEFAULTS, hostname, listen, backends, trusted })).toEqual([]);
});

test("the whole world may not say who clients and users are: it would be an open relay", () => {
  const world = ["0.0.0.0/0", "::/0", "::ffff:0:0/96", "10.0.0.0/0"];
  const { mistakes } = readEnvironment({ SALLYPORT_TRUSTED: world.join() });
  expect(mistakes).toEqual(
    world.map((text) => expect.stringContaining(`SALLYPORT_TRUSTED: "${text}" was given`)),
  );
  expect(mistakes[0]).toContain(
    "not the whole world: whoever is trusted may claim to be any client and any user",
  );
  const { hostname, listen, backends } = readEnvironment({
    SALLYPORT_BACKEND: "127.0.0.1:10025",
    SALLYPORT_HOSTNAME: "mx.example",
  }).environment;
  const given = { ...DEFAULTS, hostname, listen, backends };
  expect(settingsMistakes({ ...given, trusted: ["10.0.0.0/8", "0.0.0.0/0"] })).toEqual([
    expect.stringMatching(/^trusted\[1\]: "0\.0\.0\.0\/0" was given; allowed is .* but not the whole world/),
  ]);
  expect(settingsMistakes({ ...given, trusted: ["10.0.0.0/8", "::1"] })).toEqual([]);
});

test("a listener that requires a header needs somebody who is trusted", () => {
  const { environment } = readEnvironment({
    SALLYPORT_LISTEN: "proxy://127.0.0.1:25",
    SALLYPORT_BACKEND: "127.0.0.1:10025",
    SALLYPORT_HOSTNAME: "mx.example",
  });
  const { hostname, listen, backends, trusted } = environment;
  expect(settingsMistakes({ ...DEFAULTS, hostname, listen, backends, trusted })).toEqual([
    "listen: proxy://127.0.0.1:25 takes PROXY headers from trusted hosts only, and there are none; set trusted (SALLYPORT_TRUSTED)",
  ]);
});
