/** The proxy as a whole: its listeners, the number of its sessions, its clock, and how it stops. */
import { expect, test } from "bun:test";
import { BACKEND_DEFAULTS } from "../../src/policy/backend_address.ts";
import { DEFAULTS, type Settings } from "../../src/policy/settings.ts";
import { Proxy } from "../../src/proxy/server.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { FakeBackend } from "../../src/testing/backend.ts";
import { FakeEvents, FakeNetwork, type FakeWire } from "../../src/testing/network.ts";
import { FakeTimers, promisesSettle } from "../../src/testing/timers.ts";
import { withTimers } from "../support/fake_timers.ts";

interface Client {
  readonly wire: FakeWire;
  heard: string;
}

/** A proxy on a fake network, within fake time. */
class House {
  readonly events = new FakeEvents();
  readonly network = new FakeNetwork(this.events);
  readonly timers: FakeTimers;
  readonly log: string[] = [];
  readonly backends: FakeBackend[] = [];
  readonly proxy: Proxy;
  dials = 0;
  /** Whether the backend is there. */
  up = true;

  constructor(timers: FakeTimers, settings: Partial<Settings> = {}) {
    this.timers = timers;
    const note = (event: string) => void this.log.push(event);
    const address = (name: string, port: number) => ({
      name,
      endpoint: { host: name, port },
      ...BACKEND_DEFAULTS,
      implicitTls: false,
    });
    this.network.onDial = (dial) => {
      this.dials++;
      if (!this.up) return dial.refuse();
      this.backends.push(new FakeBackend("backend", dial.open()));
      this.backends.at(-1)!.greet(["SIZE 1000"]);
    };
    this.proxy = new Proxy(
      {
        ...DEFAULTS,
        hostname: "mx.example",
        listen: [address("192.0.2.25", 25)],
        backends: [address("backend", 25)],
        ...settings,
      },
      undefined,
      this.network,
      { info: note, warn: note },
    );
  }

  async rest(): Promise<void> {
    do {
      this.events.settle();
      await promisesSettle();
    } while (this.events.settle());
  }

  async start(): Promise<void> {
    const started = this.proxy.start();
    await this.rest();
    await started;
  }

  async pass(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= 500) {
      this.timers.advance(500);
      await this.rest();
    }
  }

  async call(host = "203.0.113.7"): Promise<Client> {
    const client: Client = { wire: this.network.call(host)!, heard: "" };
    client.wire.onWritten = (bytes) => void (client.heard += latin1Text(bytes));
    await this.rest();
    return client;
  }

  async say(client: Client, octets: string): Promise<string> {
    client.heard = "";
    client.wire.send(latin1(octets));
    await this.rest();
    return client.heard;
  }
}

/** Runs a test with a house that has been started. */
function inside(settings: Partial<Settings>, body: (house: House) => Promise<void>): () => Promise<void> {
  return () => {
    const timers = new FakeTimers();
    return withTimers(timers, async () => {
      const house = new House(timers, settings);
      await house.start();
      await body(house);
      await house.rest();
    });
  };
}

const GREETING = "220 mx.example ESMTP Sallyport\r\n";

test(
  "it looks at the backends before it listens, and offers what they have",
  inside({}, async (house) => {
    expect(house.dials).toBe(1);
    expect(house.network.listening.length).toBe(1);
    const client = await house.call();
    expect(client.heard).toBe(GREETING);
    expect(await house.say(client, "EHLO x\r\n")).toContain("SIZE 1000\r\n");
  }),
);

test("a backend that says nothing is waited for two seconds, then it listens all the same", async () => {
  const timers = new FakeTimers();
  await withTimers(timers, async () => {
    const house = new House(timers);
    house.network.onDial = () => void house.dials++;
    const started = house.proxy.start();
    await house.rest();
    expect(house.network.listening.length).toBe(0);
    await house.pass(2000);
    await started;
    expect(house.network.listening.length).toBe(1);
  });
});

test(
  "a backend that is down is looked at again and again, until it is seen",
  inside({}, async (house) => {
    await house.pass(5000);
    expect(house.dials).toBe(1);
    const other = new House(house.timers, { health: { ...DEFAULTS.health, longestPause: 1000 } });
    other.up = false;
    await other.start();
    await other.pass(10_000);
    expect(other.dials).toBeGreaterThanOrEqual(5);
    expect(other.dials).toBeLessThanOrEqual(20);
    other.up = true;
    await other.pass(2000);
    const seen = other.dials;
    await other.pass(5000);
    expect(other.dials).toBe(seen);
  }),
);

test(
  "sessions: one too many is told 421 and ended, and a place that is free is given again",
  inside({ sessions: 2 }, async (house) => {
    const [one, two] = [await house.call("203.0.113.1"), await house.call("203.0.113.2")];
    expect([one.heard, two.heard]).toEqual([GREETING, GREETING]);
    const three = await house.call("203.0.113.3");
    expect(three.heard).toMatch(/^421 4\.3\.2 Too many sessions, try again later \[ref [0-9A-Z]{10}\]\r\n$/);
    expect(three.wire.ended).toBe("close");
    expect(house.proxy.sessions).toBe(2);
    await house.say(one, "QUIT\r\n");
    expect((await house.call("203.0.113.3")).heard).toBe(GREETING);
  }),
);

test(
  "sessionsPerClient: one too many from an address, and others are not concerned",
  inside({ sessionsPerClient: 1 }, async (house) => {
    const one = await house.call("203.0.113.1");
    expect((await house.call("203.0.113.1")).heard).toMatch(
      /^421 4\.7\.0 Too many sessions from your address/,
    );
    expect((await house.call("203.0.113.2")).heard).toBe(GREETING);
    one.wire.reset();
    await house.rest();
    expect((await house.call("203.0.113.1")).heard).toBe(GREETING);
  }),
);

test("a pool that is down: clients are greeted and hear 451 at the first recipient, or 421 at once, as set", async () => {
  for (const whenDown of ["defer", "refuse"] as const) {
    const timers = new FakeTimers();
    await withTimers(timers, async () => {
      const house = new House(timers, { whenDown });
      house.up = false;
      await house.start();
      expect((await house.call()).heard).toBe(GREETING);
      await house.pass(5000);
      expect(house.proxy.unready()).toBe("no backend can be asked");
      expect(house.log).toContain("backend circuit open");
      const client = await house.call();
      if (whenDown === "refuse") {
        expect(client.heard).toMatch(
          /^421 4\.3\.2 No mail server can be reached now, try again later \[ref /,
        );
        expect(client.wire.ended).toBe("close");
      } else {
        await house.say(client, "HELO x\r\nMAIL FROM:<a@x.example>\r\n");
        expect(await house.say(client, "RCPT TO:<b@y.example>\r\n")).toMatch(
          /451 4\.3\.0 No mail server can be/,
        );
      }
      house.up = true;
      await house.pass(10_000);
      expect(house.log).toContain("backend circuit closed");
      expect(house.proxy.unready()).toBe(undefined);
      expect((await house.call()).heard).toBe(GREETING);
    });
  }
});

test(
  "it looks at the clock by itself",
  inside({ limits: { ...DEFAULTS.limits, commandTime: 3000 } }, async (house) => {
    const client = await house.call();
    await house.pass(2000);
    expect(client.heard).toBe(GREETING);
    await house.pass(2000);
    expect(client.heard).toMatch(/421 4\.4\.2/);
    expect(house.proxy.sessions).toBe(0);
  }),
);

test(
  "stopping: nobody is let in, the idle are told 421, and it is over when the last transaction is",
  inside({}, async (house) => {
    const idle = await house.call("203.0.113.1");
    const busy = await house.call("203.0.113.2");
    await house.say(busy, "EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n");
    const backend = house.backends.at(-1)!;
    for (const reply of ["250 Ok\r\n", "250 Ok\r\n", "354 Ok\r\n"]) {
      backend.send(reply);
      await house.rest();
    }
    let over = false;
    const stopped = house.proxy.stop(60_000).then(() => (over = true));
    await house.rest();
    expect(house.network.call("203.0.113.3")).toBeUndefined();
    expect(idle.heard).toMatch(/421 4\.3\.2 This server is shutting down/);
    expect([idle.wire.ended, busy.wire.ended, over]).toEqual(["close", undefined, false]);
    await house.say(busy, ".\r\n");
    backend.send("250 Kept\r\n");
    await house.rest();
    await stopped;
    expect(busy.heard).toMatch(/^250 Kept\r\n421 4\.3\.2 /);
    expect(house.proxy.counters.delivered).toBe(1);
  }),
);

test(
  "stopping lets go of the connections that were kept",
  inside({}, async (house) => {
    const client = await house.call();
    await house.say(client, "EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n.\r\n");
    const backend = house.backends.at(-1)!;
    for (const reply of ["250 Ok\r\n", "250 Ok\r\n", "354 Ok\r\n", "250 Kept\r\n"]) {
      backend.send(reply);
      await house.rest();
    }
    expect(backend.wire.ended).toBeUndefined();
    const stopped = house.proxy.stop(60_000);
    await house.rest();
    await stopped;
    expect(backend.seen.endsWith("QUIT\r\n")).toBe(true);
    expect(backend.wire.ended).toBe("close");
  }),
);

test(
  "stopping takes no longer than it may",
  inside({}, async (house) => {
    const busy = await house.call();
    await house.say(busy, "EHLO x\r\nMAIL FROM:<a@x.example>\r\n");
    const stopped = house.proxy.stop(2000);
    await house.pass(2500);
    await stopped;
    await house.rest();
    expect(busy.wire.ended).toBe("abort");
    expect(house.proxy.sessions).toBe(0);
  }),
);

test(
  "stopping with nobody there is over at once",
  inside({}, async (house) => {
    await house.proxy.stop(60_000);
    expect(house.network.listening).toEqual([]);
  }),
);

test(
  "stopping while a backend is down does not wait for it",
  inside({}, async (house) => {
    const other = new House(house.timers);
    other.up = false;
    await other.start();
    await other.pass(5000);
    await other.proxy.stop(60_000);
    const { dials } = other;
    await other.pass(5000);
    expect(other.dials).toBe(dials);
  }),
);

test(
  "a client that has gone while its message waits for the backend keeps the proxy from ending",
  inside({}, async (house) => {
    const client = await house.call();
    await house.say(client, "EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n");
    const backend = house.backends.at(-1)!;
    for (const reply of ["250 Ok\r\n", "250 Ok\r\n", "354 Ok\r\n"]) {
      backend.send(reply);
      await house.rest();
    }
    await house.say(client, ".\r\n");
    client.wire.reset();
    await house.rest();
    let over = false;
    const stopped = house.proxy.stop(60_000).then(() => (over = true));
    await house.rest();
    expect(over).toBe(false);
    backend.send("250 Kept\r\n");
    await house.rest();
    await stopped;
    expect([house.proxy.counters.delivered, house.proxy.counters.unacknowledged]).toEqual([1, 1]);
  }),
);
