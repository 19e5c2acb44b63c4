/**
 * `sallyport explain POLICY --ip A …`: one made-up session through a policy, and why it came out as it did. The DNS and
 * the store are the real ones (`--offline`: neither), but nothing is written to the store; the backend is made up and
 * takes everything; nobody waits for what the policy lets clients wait for.
 */
import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import process from "node:process";
import type { Asked } from "../policy/engine.ts";
import { Metrics } from "../policy/metrics.ts";
import { SettingsError } from "../policy/policy.ts";
import { DEFAULT_POOL } from "../policy/route.ts";
import { setUp } from "../policy/set_up.ts";
import type { Settings } from "../policy/settings.ts";
import { utf8Text } from "../policy/utf8_text.ts";
import type { Stage } from "../policy/stages.ts";
import { Proxy } from "../proxy/server.ts";
import { latin1Text } from "../smtp/reply.ts";
import { openEffects } from "./effects.ts";
import { askedLines, waited } from "./explained.ts";
import { WatchedFiles } from "./files.ts";
import type { Command } from "./command.ts";
import { loadPolicy } from "./load.ts";
import { lookingStore } from "./looking_store.ts";
import { MadeUpSession } from "./made_up_session.ts";
import { listenerFor, lookingAway, madeUp, trustedLines } from "./made_up_settings.ts";

/** What the session is like. */
export interface ExplainOptions {
  readonly ip: string;
  readonly helo: string;
  /** `""` for `<>`. */
  readonly from: string;
  readonly to: readonly string[];
  readonly tls: boolean;
  readonly auth: string | undefined;
  readonly offline: boolean;
  /** A file with a message. */
  readonly message: string | undefined;
}

/** Prints the session. @throws SettingsError */
export async function explain(path: string, options: ExplainOptions): Promise<void> {
  const wrong = optionMistakes(options);
  if (wrong.length > 0) throw new SettingsError(wrong);
  const message = messageOf(options);
  const { settings } = await loadPolicy(path);
  const write = (line: string) => void process.stdout.write(`${line}\n`);
  const asked: Asked[] = [];
  const waits: number[] = [];
  const routed: string[] = [];
  const { effects, close } = await openEffects(
    { ...settings, store: options.offline ? "memory:" : lookedAt(settings.store) },
    QUIET,
    new Metrics(),
  );
  const listener = listenerFor(settings, options.tls);
  const tls = options.tls || listener.implicitTls;
  const session = new MadeUpSession(options.ip, tls);
  const proxy = new Proxy(madeUp(settings, listener, tls), undefined, session.network, QUIET, {
    effects: {
      ...effects,
      ...(effects.store === undefined ? {} : { store: lookingStore(effects.store) }),
      ...(options.offline ? { dns: OFFLINE, fetch: () => Promise.reject(offline()) } : {}),
    },
    asked: (one) => void asked.push(one),
    wait: (ms, callback) => (waits.push(ms), waited(callback)),
    user: options.auth,
    routed: (pool, by) => {
      if (pool !== DEFAULT_POOL || hasRoutes(settings)) routed.push(`${pool} (${by ?? "no route holds"})`);
    },
  });
  const files = new WatchedFiles();
  const { mistakes, stop } = await setUp(
    proxy.chain.plugins,
    proxy.chain.engine,
    files,
    !options.offline,
    proxy.chain.shadowed,
  );
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  const { chain } = proxy;
  const held = (plugin: string, stage: Stage) =>
    chain.asked(stage).some((step) => step.plugin.name === plugin && step.held);
  const away = lookingAway(options.ip, chain.plugins);
  write(heading(path, { ...options, tls }, listener.name));
  for (const line of trustedLines(options.ip, settings, chain.plugins)) write(line);
  try {
    await proxy.start();
    for (const { client, replies } of session.steps(commandsOf(options, message))) {
      if (client !== undefined) write(`C: ${utf8Text(client)}`);
      const lines = await replies();
      await chain.shadowsHeard();
      for (const line of askedLines(asked.splice(0), held, away)) write(line);
      for (const pool of routed.splice(0)) write(`   to pool ${pool}`);
      for (const ms of waits.splice(0)) write(`   … the client waits ${ms / 1000} s`);
      for (const line of lines) write(`S: ${utf8Text(line)}`);
    }
    write("");
    write(session.outcome());
  } finally {
    stop();
    files.close();
    await proxy.stop(0);
    await close();
  }
}

/** Opening a file that is not there would make it. */
function lookedAt(store: string): string {
  return store.startsWith("sqlite:") && !existsSync(store.slice(7)) ? "memory:" : store;
}

const QUIET = { info() {}, warn() {} };

function offline(): Error {
  return Object.assign(new Error("explain --offline asks nobody"), { temporary: true });
}

const OFFLINE = {
  resolve: () => Promise.reject(Object.assign(offline(), { name: "DnsError", code: "ETIMEOUT" })),
};

/** Without any, mail goes to the default pool unless a plugin knows an address. */
function hasRoutes({ pools, routes }: Settings): boolean {
  return Object.keys(pools).length + routes.length > 0;
}

function heading(path: string, { ip, tls, auth, offline }: ExplainOptions, listener: string): string {
  const how = [
    `at ${listener}`,
    tls ? "TLS" : "no TLS",
    ...(auth === undefined ? [] : [`as ${auth}`]),
    ...(offline ? ["offline"] : []),
  ];
  return `${path}: a session from ${ip} (${how.join(", ")})`;
}

/** The client's commands; one character per byte. */
function commandsOf({ helo, from, to }: ExplainOptions, message: string): string[] {
  const utf8 = [from, ...to].some((address) => /[^ -~]/.test(address)) ? " SMTPUTF8" : "";
  return [
    `EHLO ${wire(helo)}`,
    `MAIL FROM:<${wire(from)}>${utf8}`,
    ...to.map((one) => `RCPT TO:<${wire(one)}>`),
    "DATA",
    message,
    "QUIT",
  ];
}

function wire(text: string): string {
  return latin1Text(new TextEncoder().encode(text));
}

/** What no client can say in a line. */
function optionMistakes({ ip, helo, from, to }: ExplainOptions): string[] {
  const texts = [["helo", helo], ["from", from], ...to.map((one) => ["to", one] as const)] as const;
  const wrong = texts.filter(([, text]) => /\p{Cc}/u.test(text));
  return [
    ...(isIP(ip) === 0 ? [`--ip: ${JSON.stringify(ip)} was given; allowed is an IP address`] : []),
    ...wrong.map(([name, text]) =>
      `--${name}: ${JSON.stringify(text)} was given; allowed is text without control characters`
    ),
  ];
}

/** The message as DATA carries it, its end included. One character per byte. */
function messageOf({ message, from, to }: ExplainOptions): string {
  if (message === undefined) {
    return `From: <${wire(from)}>\r\nTo: <${wire(to[0]!)}>\r\nSubject: made up\r\n\r\n.`;
  }
  let text: string;
  try {
    text = latin1Text(readFileSync(message));
  } catch (cause) {
    throw new SettingsError([`Cannot read the message ${message}: ${(cause as Error).message}`]);
  }
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  return [...lines.map((line) => (line.startsWith(".") ? `.${line}` : line)), "."].join("\r\n");
}

export const explainCommand: Command = {
  name: "explain",
  words: "POLICY [MESSAGE.eml]",
  count: [1, 2],
  flags: {
    ip: { kind: "text", required: true, shown: "ADDRESS" },
    helo: { kind: "text", required: true, shown: "NAME" },
    from: { kind: "text", required: true, shown: "ADDRESS" },
    to: { kind: "texts", required: true, shown: "ADDRESS" },
    auth: { kind: "text", shown: "USER" },
    tls: { kind: "switch" },
    offline: { kind: "switch" },
  },
  about: "run one made-up session through a policy, and say why it came out as it did",
  run: ([policy, message], given) => explain(policy!, { ...(given as unknown as ExplainOptions), message }),
};
