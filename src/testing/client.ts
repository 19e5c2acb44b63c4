/**
 * One client of a scene: its connection, its session, and what it was sent.
 */
import { callerOf } from "../proxy/caller.ts";
import { Session } from "../proxy/session.ts";
import type { Surroundings } from "../proxy/surroundings.ts";
import { latin1Text } from "../smtp/reply.ts";
import { type FakeEvents, FakeWire, LOCAL, NOBODY } from "./network.ts";

export class FakeClient {
  readonly wire: FakeWire;
  readonly session: Session;
  /** What it was sent and nobody looked at yet; one character per byte. */
  heard = "";
  /** Its session has ended. */
  over = false;

  constructor(events: FakeEvents, host: string, listener: string, around: Surroundings, tlsRequired = false) {
    const wire = this.wire = new FakeWire(events, NOBODY, { host, port: 50_000 }, LOCAL);
    wire.onWritten = (bytes) => void (this.heard += latin1Text(bytes));
    const owner = { ended: () => void (this.over = true), renamed: () => undefined };
    const caller = callerOf(wire, around.trusted);
    wire.owner = this.session = new Session(wire, caller, { name: listener, tlsRequired }, around, owner);
  }
}
