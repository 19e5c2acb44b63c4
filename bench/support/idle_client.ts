/**
 * Opens many sessions, says EHLO in each and keeps them all open until it is ended. A process of
 * its own: its memory and its descriptors are not the harness's. Prints one line of JSON when all
 * stand. One source address does while the sessions are fewer than the ephemeral ports (28,000).
 */

export interface IdleOrder {
  readonly port: number;
  readonly sessions: number;
  /** Sessions that are being opened at the same time. */
  readonly parallel: number;
}

export interface IdleReport {
  readonly seconds: number;
}

const order = JSON.parse(process.argv[2] ?? "{}") as IdleOrder;
const begin = performance.now();
const held: unknown[] = [];
let begun = 0;

for (let lane = 0; lane < order.parallel; lane++) openNext();

function openNext(): void {
  if (begun === order.sessions) return;
  begun++;
  open(() => {
    if (held.length < order.sessions) return openNext();
    const report: IdleReport = { seconds: (performance.now() - begin) / 1000 };
    console.log(JSON.stringify(report));
  });
}

function open(done: () => void): void {
  let input = "";
  let replies = 0;
  Bun.connect({
    hostname: "127.0.0.1",
    port: order.port,
    socket: {
      data(socket, bytes) {
        input += bytes.toString("latin1");
        // The last line of a reply has a blank after its code.
        if (!/(^|\n)2\d\d [^\n]*\n$/.test(input)) return;
        input = "";
        replies++;
        if (replies === 1) socket.write("EHLO client.example\r\n");
        if (replies === 2) {
          held.push(socket);
          done();
        }
        if (replies === 3) fail("a server said something unasked");
      },
      close: () => fail(`a server closed a session, ${held.length} were open: ${input}`),
      error: (_socket, error) => fail(error.message),
    },
  }).catch((error: Error) => fail(error.message));
}

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}
