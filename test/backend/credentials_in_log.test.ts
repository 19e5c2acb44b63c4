/** What a backend says to our credentials, at once or late, may be an echo of them: it never gets into the log. */
import { expect, test } from "bun:test";
import { Backend } from "../../src/backend/backend.ts";
import { backendTls } from "../../src/backend/backend_tls.ts";
import { Connection } from "../../src/backend/connection.ts";
import type { Loss } from "../../src/backend/loss.ts";
import { completeBackend } from "../../src/policy/backend_address.ts";
import { DEFAULTS } from "../../src/policy/settings.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";
import { FakeEvents, FakeNetwork } from "../../src/testing/network.ts";

const ECHO = "AUTH PLAIN AHVzZXIAc2VjcmV0";

/** Connects, authenticates, says MAIL; what becomes of it when the backend answers so. */
function lossOf(answer: string, toMail = "250 Ok"): Loss | undefined {
  const network = new FakeNetwork(new FakeEvents());
  network.onDial = (dial) => {
    const wire = dial.open();
    const say = (text: string) => wire.send(latin1(`${text}\r\n`));
    wire.onWritten = (bytes) => {
      const line = latin1Text(bytes).trimEnd();
      if (line === ECHO) say(answer);
      else say(line.startsWith("EHLO") ? "250-backend\r\n250 AUTH PLAIN" : toMail);
    };
    say("220 backend");
  };
  let loss: Loss | undefined;
  const backend = new Backend(completeBackend("127.0.0.1:25?login=user:secret"), DEFAULTS.health, () => 0);
  const around = { network, hostname: "mx.example", times: DEFAULTS.times, tls: backendTls(), now: () => 0 };
  const _ = new Connection(backend, around, {
    ready: (connection) => {
      connection.send("mail", "MAIL FROM:<>");
      connection.flush();
    },
    reply() {},
    drained() {},
    lost: (told) => void (loss = told),
  });
  network.events.settle();
  return loss;
}

for (const late of [`235 ok\r\n500 what is ${ECHO}`, `235 ok\r\n${ECHO}`, `354 ${ECHO}`, ECHO]) {
  test(JSON.stringify(late), () => {
    expect(lossOf(late)?.detail).toMatch(/^127\.0\.0\.1:25: no possible reply.* \(its text is hidden\)$/);
  });
}

test("that the backend closes is told in its words", () => {
  expect(lossOf("235 ok", "421 4.3.2 shutting down")?.detail).toBe("127.0.0.1:25: 421 4.3.2 shutting down??");
});
