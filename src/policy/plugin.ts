/**
 * What a plugin is: stage handlers that are told exactly what is known at their stage, and what its failure means.
 */
import type { Opinion } from "./action.ts";
import type { ConnectIo, Io, Setup } from "./effects.ts";
import { type OnError, onErrorMistake } from "./failure.ts";
import type { Observation } from "./observation.ts";
import { type OptionsSchema, readOptions } from "./options.ts";
import { type Stage, STAGES, type Stages } from "./stages.ts";

/** What a stage's handler can do. */
export interface StageIo {
  connect: ConnectIo;
  helo: Io;
  mail: Io;
  rcpt: Io;
  data: Io;
  message: Io;
}

/** One function a stage, for the stages that matter. */
export type Handlers = {
  readonly [S in Stage]?: (session: Stages[S], io: StageIo[S]) => Opinion | Promise<Opinion>;
};

/** What a plugin's factory makes. */
export interface PluginBody extends Handlers {
  /** What a failure does to the mail at hand. */
  readonly onError: OnError;
  /**
   * What it decides on is who the client is: it is not asked about a trusted host (setting `trusted`) that has not said
   * for whom it speaks.
   */
  readonly judges?: "client";
  /** Runs once before any session; what it throws is a mistake in the policy, and nothing is started. */
  setup?(setup: Setup): void | Promise<void>;
  /** Told everything, decides nothing. */
  observe?(event: Observation, io: Io): void | Promise<void>;
}

/** A plugin as a policy lists it. */
export interface Plugin extends PluginBody {
  readonly name: string;
  /** What it was made with, defaults included; `check` prints it. */
  readonly options?: unknown;
  /** What is wrong with its options: such a plugin can only be reported. */
  readonly mistakes?: readonly string[];
}

/**
 * A body without anything that no plugin has: a misspelt stage would never be asked. What is computed (`[stage]: …`) is
 * only looked at when the policy is made.
 */
export type NoStranger<Body> = string extends keyof Body ? Body
  : Body & { readonly [Name in Exclude<keyof Body & string, keyof PluginBody>]: `there is no stage ${Name}` };

/** Makes a plugin from its options, which may be left out where none is required. */
export type PluginFactory<Options> = (
  ...options: undefined extends Options ? [Options?]
    : Record<string, never> extends Options ? [Options?]
    : [Options]
) => Plugin;

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const NAME_ALLOWED = 'lower case words with hyphens, as in "relay-gate"';

/**
 * Makes a plugin's factory. The handlers may be methods of a class: each is called on what `make` returned.
 * @param name lower case words with hyphens; logs and settings use it
 * @param schema checks the options and fills in their defaults: any Standard Schema, such as one of zod's
 *   (`sallyport/schema` has it with better messages)
 * @throws TypeError on another name
 * @example
 * const noNumbers = definePlugin("no-numbers", () => ({
 *   onError: "pass",
 *   mail: ({ reversePath }) =>
 *     /^\d+$/.test(reversePath.localPart) ? reject("5.7.1", "Senders have names here") : undefined,
 * }));
 */
export function definePlugin<Options = void, Body extends PluginBody = PluginBody>(
  name: string,
  make: (options: Options) => NoStranger<Body>,
): (options: Options) => Plugin;
export function definePlugin<Given, Options, Body extends PluginBody = PluginBody>(
  name: string,
  schema: OptionsSchema<Given, Options>,
  make: (options: Options) => NoStranger<Body>,
): PluginFactory<Given>;
export function definePlugin(
  name: string,
  first: OptionsSchema<unknown, unknown> | ((options: unknown) => PluginBody),
  second?: (options: unknown) => PluginBody,
): (options?: unknown) => Plugin {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(
      `Cannot define a plugin: name ${JSON.stringify(name)} was given; allowed are ${NAME_ALLOWED}`,
    );
  }
  if (second === undefined) return (options) => made(name, options, first as typeof second & object);
  return (given) => {
    const { options, mistakes } = readOptions(first as OptionsSchema<unknown, unknown>, given ?? {});
    return mistakes.length > 0 ? { name, onError: "defer", mistakes } : made(name, options, second);
  };
}

const METHODS = [...STAGES, "setup", "observe"] as const;

function made(name: string, options: unknown, make: (options: unknown) => PluginBody): Plugin {
  const body = make(options);
  // A spread leaves behind what a class inherits, so the methods are taken one by one.
  const methods = METHODS.flatMap((method) => {
    const given: unknown = body[method];
    return typeof given === "function" ? [[method, given.bind(body)]] : [];
  });
  const all = { ...body, ...Object.fromEntries(methods), onError: body.onError, name };
  return options === undefined ? all : { ...all, options };
}

/** What is wrong with what should be a plugin: a line a mistake, with what was given and what is allowed. */
export function pluginMistakes(given: unknown): string[] {
  if (typeof given !== "object" || given === null || typeof (given as Plugin).name !== "string") {
    return ["is no plugin; plugins are made with definePlugin"];
  }
  const { name, onError, judges, options: _, mistakes: known, ...methods } = given as Plugin;
  const mistakes: string[] = [...(known ?? [])];
  if (!NAME.test(name)) {
    mistakes.push(`name ${JSON.stringify(name)} was given; allowed are ${NAME_ALLOWED}`);
  }
  if (judges !== undefined && judges !== "client") {
    mistakes.push(`judges ${JSON.stringify(judges)} was given; allowed is "client", or nothing`);
  }
  const wrong = onErrorMistake(onError);
  if (wrong !== undefined) mistakes.push(wrong);
  for (const [method, handler] of Object.entries(methods)) {
    if (!(METHODS as readonly string[]).includes(method)) {
      mistakes.push(`there is no stage ${method}; allowed are ${STAGES.join(", ")}, and setup and observe`);
    } else if (handler !== undefined && typeof handler !== "function") {
      mistakes.push(`${method} ${JSON.stringify(handler)} was given; allowed is a function`);
    }
  }
  return mistakes;
}
