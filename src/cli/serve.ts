/**
 * `sallyport serve [POLICY]`: runs a policy until SIGTERM or SIGINT, then lets what is under way finish.
 */
import process from "node:process";
import { network } from "../net/mod.ts";
import type { Listener } from "../net/wire.ts";
import { SettingsError } from "../policy/policy.ts";
import { Metrics } from "../policy/metrics.ts";
import { setUp } from "../policy/set_up.ts";
import type { AdminAddress, Settings } from "../policy/settings.ts";
import { Proxy } from "../proxy/server.ts";
import { serveAdmin } from "./admin.ts";
import { sessionBound } from "./descriptors.ts";
import { openEffects } from "./effects.ts";
import { WatchedFiles } from "./files.ts";
import type { Command } from "./command.ts";
import { loadPolicy } from "./load.ts";
import { LineLog } from "./log.ts";
import { namesOf } from "./names.ts";
import { ServedTls } from "./tls_reload.ts";

/** Resolves when the proxy has stopped. @throws SettingsError */
export async function serve(path: string): Promise<void> {
  const log = new LineLog();
  const files = new WatchedFiles();
  let tls: ServedTls | undefined;
  survive(log, files, () => tls);
  const loaded = await loadPolicy(path);
  if (loaded.tls !== undefined) {
    tls = new ServedTls(loaded.tls.settings, loaded.tls.service, loaded.tls.mark, log);
  }
  const net = await network();
  const { demo: folder } = loaded.settings;
  const demo = folder === undefined ? undefined : await (await import("./demo.ts")).startDemo(net, folder);
  const settings = {
    ...loaded.settings,
    backends: demo === undefined ? loaded.settings.backends : [demo.address],
    sessions: Math.min(loaded.settings.sessions, sessionBound()),
  };
  const metrics = new Metrics();
  const { effects, close } = await openEffects(settings, log, metrics);
  const proxy = new Proxy(settings, tls?.current, net, log, {
    effects,
    metrics,
    files: loaded.files,
    resolve: namesOf(effects.dns),
  });
  keepAlive(log);
  const { mistakes, stop } = await setUp(
    proxy.chain.plugins,
    proxy.chain.engine,
    files,
    true,
    proxy.chain.shadowed,
  );
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  const admin = settings.admin && startAdmin(settings.admin, proxy, metrics, log);
  try {
    announce(settings, await proxy.start(), log);
  } catch (cause) {
    throw new SettingsError([(cause as Error).message]);
  }
  tls?.watch();
  await stopSignal();
  tls?.close();
  stop();
  files.close();
  await proxy.stop(settings.drain);
  await admin?.stop();
  await close();
  demo?.close();
  proxy.report();
  await log.flush();
}

/** Who looks in does not decide whether there is mail: a place that is taken is told and done without. */
function startAdmin(address: AdminAddress, proxy: Proxy, metrics: Metrics, log: LineLog) {
  try {
    return serveAdmin(address, { metrics: () => metrics.text(), unready: () => proxy.unready() });
  } catch (cause) {
    const at = `${address.host}:${address.port}`;
    log.warn("no admin", { text: `Cannot serve metrics on ${at}: ${(cause as Error).message}` });
    return undefined;
  }
}

/** Signals that would end the process, and every session with it, by default. */
function survive(log: LineLog, files: WatchedFiles, tls: () => ServedTls | undefined): void {
  process.on("SIGHUP", () => {
    log.info("reload", { text: "looking at certificates and the plugins' files; for other changes restart" });
    void files.look(true);
    void tls()?.look(true);
  });
  // Who reads the log may go: the lines are then counted as dropped.
  process.on("SIGPIPE", () => {});
}

/** A fault that nobody caught must not take every other session with it. */
function keepAlive(log: LineLog): void {
  const report = (cause: unknown) =>
    log.warn("fault", { cause: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) });
  process.on("uncaughtException", report);
  process.on("unhandledRejection", report);
}

function announce(settings: Settings, listeners: readonly Listener[], log: LineLog): void {
  for (const notice of settings.notices) log.warn("notice", { text: notice });
  log.info("started", {
    hostname: settings.hostname,
    listen: settings.listen.map(({ name }) => name),
    backends: settings.backends.map(({ name }) => name),
    pools: poolNames(settings),
    tls: settings.tls !== undefined,
    sessions: settings.sessions,
  });
  const hint = firstMail(settings, listeners);
  if (hint !== undefined) process.stderr.write(hint + "\n");
}

/** Where there are more than the default one: `"a: 10.0.0.1:25, 10.0.0.2:25"`. */
function poolNames({ pools }: Settings): string[] | undefined {
  const all = Object.entries(pools).map(([name, backends]) =>
    `${name}: ${backends.map(({ name }) => name).join(", ")}`
  );
  return all.length === 0 ? undefined : all;
}

/** For the quickstart: a line that sends a first mail, with curl, since that is everywhere. */
function firstMail({ demo, listen }: Settings, listeners: readonly Listener[]): string | undefined {
  const at = listen.findIndex(({ endpoint }) => "host" in endpoint);
  if (demo === undefined || at === -1) return undefined;
  const { host, port } = listeners[at]!.address;
  const near = host === "0.0.0.0"
    ? "127.0.0.1"
    : host === "::"
    ? "[::1]"
    : host.includes(":")
    ? `[${host}]`
    : host;
  const scheme = listen[at]!.implicitTls ? "-k smtps" : "smtp";
  return `Send a first mail:\n  printf 'Subject: hello\\n\\nIt works.\\n' | curl -sS --crlf ${scheme}://${near}:${port} ` +
    `--mail-from you@example.org --mail-rcpt me@example.org -T -\nand find it in ${demo}/new`;
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}

const QUICKSTART = new URL("../../policies/quickstart.ts", import.meta.url).pathname;

export const serveCommand: Command = {
  name: "serve",
  words: "[POLICY]",
  count: [0, 1],
  flags: {},
  about: "run a policy (policies/quickstart.ts unless given)",
  run: ([policy]) => serve(policy ?? QUICKSTART),
};
