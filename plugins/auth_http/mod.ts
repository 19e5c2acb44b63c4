/**
 * Asks a service over HTTP whether a recipient is taken, and where the mail goes: the auth_http protocol of nginx's mail
 * proxy, so that services written for it serve here. Whatever is not a clear OK lets nothing through.
 */
import {
  defer,
  definePlugin,
  delay,
  type Io,
  type Opinion,
  type Path,
  type Plugin,
  type PluginFactory,
  type RcptFacts,
  type Refusal,
  reject,
  route,
  Unavailable,
} from "sallyport";
import { type AuthHttpOptions, type Given, SCHEMA } from "./options.ts";
import { type Decision, Service } from "./service.ts";
import { askedOf } from "./session.ts";

export type { AuthHttpOptions } from "./options.ts";

const TROUBLE = defer("4.3.2", "Internal server error, try again later", 451);

const make = definePlugin("auth-http", SCHEMA, (given: Given) => {
  const service = new Service(given);
  /** What was decided for the transaction that this sender began: the object is the transaction's own. */
  const decided = new WeakMap<Path, Opinion>();

  const ask = async (session: RcptFacts, io: Io): Promise<Opinion> => {
    const asked = askedOf(session, given.passClientCertificate);
    const decision = await service.decide(asked, io).catch((cause) => {
      // Where the stage's time is over, or the client has left, it is no fault of the service's.
      if (io.signal.aborted || !(cause instanceof Unavailable)) throw cause;
      io.log.warn(cause.message);
      return undefined;
    });
    io.count("auth_http_answers", RESULTS[decision?.kind ?? "fault"]);
    if (decision === undefined) return TROUBLE;
    const opinion = opinionOf(decision, given);
    if (decision.kind === "ok") decided.set(session.reversePath, opinion);
    return opinion;
  };

  return {
    // Who cannot ask does not let in.
    onError: "defer",
    rcpt(session, io): Opinion | Promise<Opinion> {
      const { reversePath } = session;
      return given.ask === "transaction" && decided.has(reversePath)
        ? decided.get(reversePath)
        : ask(session, io);
    },
  };
});

/** Asks nginx's kind of auth service about recipients. */
export const authHttp: PluginFactory<AuthHttpOptions> = (given: AuthHttpOptions): Plugin => {
  const plugin = make(given);
  return plugin.options === undefined ? plugin : { ...plugin, options: shown(plugin.options as Given) };
};

/** The options as `check` prints them: a header field may hold a secret. */
function shown({ headers, ...rest }: Given): object {
  return { ...rest, headers: Object.keys(headers) };
}

function opinionOf(decision: Decision, { longestWait }: Given): Opinion {
  if (decision.kind === "ok") return decision.server && route(decision.server);
  const refusal = refusalOf(decision);
  if (decision.wait === 0) return refusal;
  return [delay(Math.min(decision.wait * 1000, longestWait)), refusal];
}

function refusalOf({ code, enhanced, text }: Decision & { readonly kind: "refused" }): Refusal {
  return code < 500 ? defer(`4.${enhanced}`, text, code) : reject(`5.${enhanced}`, text, code);
}

/** Labels of the metric. */
const RESULTS = {
  ok: { result: "ok" },
  refused: { result: "refused" },
  fault: { result: "fault" },
} as const;
