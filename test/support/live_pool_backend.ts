// A backend in a process of its own, so that a test can stop it as an administrator, a full disk or a debugger does.
// Prints its port, then the Message-ID of each message that it has taken.
import { ScriptedBackend } from "./blackbox_backend.ts";

const backend = await ScriptedBackend.start();
process.stdout.write(`port ${backend.port}\n`);
let told = 0;
setInterval(() => {
  for (const { bytes } of backend.deliveries.slice(told)) {
    told++;
    process.stdout.write(`took ${/^Message-ID: <(.*)>/m.exec(bytes.toString("latin1"))?.[1]}\n`);
  }
}, 20);
