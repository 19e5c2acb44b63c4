/**
 * Mistakes that no setting makes alone: names that are given twice, and settings that need or exclude each other.
 */
import { shown } from "./check.ts";
import { routeMistakes } from "./check_routes.ts";
import type { Rule } from "./rule.ts";
import type { ListenAddress, Settings } from "./settings.ts";

/** What is no array has been named already. */
export function togetherMistakes(settings: Settings): string[] {
  const { listen, backends, pools, routes, demo, tls, plugins, trusted } = settings;
  return [
    ...repeated(elements(plugins)),
    ...repeatedBackends(elements(backends)),
    ...repeatedListeners(elements(listen)),
    ...elements(listen).flatMap((address) => headerMistakes(address, elements(trusted))),
    ...routeMistakes(routes, {
      listeners: elements(listen).flatMap((address) => address?.name ?? []),
      pools: Object.keys(pools ?? {}),
    }),
    ...demoMistakes(backends, demo),
    ...elements(listen).flatMap((address) => (tls === undefined ? certificateMistakes(address) : [])),
  ];
}

/** Who must come with a PROXY header must be somebody who is believed. */
function headerMistakes(address: ListenAddress, trusted: Settings["trusted"]): string[] {
  if (address?.proxy !== "required") return [];
  const takes = `listen: ${address.name} takes PROXY headers from trusted hosts only, and`;
  if ("path" in (address.endpoint ?? {})) {
    return [`${takes} the other end of a unix socket has no address; listen on 127.0.0.1 or [::1]`];
  }
  return trusted.length > 0 ? [] : [`${takes} there are none; set trusted (SALLYPORT_TRUSTED)`];
}

/** Mail goes to backends or to the demo. */
function demoMistakes(backends: Settings["backends"], demo: Settings["demo"]): string[] {
  if (demo === undefined) {
    return Array.isArray(backends) && backends.length === 0
      ? ["backends: none is given; at least one is needed (SALLYPORT_BACKEND)"]
      : [];
  }
  if (elements(backends).length === 0) return [];
  const names = elements(backends).map((backend) => backend?.name ?? "?").join(", ");
  return [
    `demo: ${shown(demo)} was given beside backends ${names}; allowed is one of the two, ` +
    "since the demo would take the backends' mail",
  ];
}

function certificateMistakes(address: ListenAddress): string[] {
  if (address?.implicitTls !== true && address?.tlsRequired !== true) return [];
  return [`listen: ${address.name} needs a certificate; set tls (SALLYPORT_TLS_CERT and SALLYPORT_TLS_KEY)`];
}

function elements<Element>(given: readonly Element[]): readonly Element[] {
  return Array.isArray(given) ? given : [];
}

/** One place can be listened at once; port 0 is a free one each time. */
function repeatedListeners(listen: Settings["listen"]): string[] {
  const places = listen.map((address) => JSON.stringify(address?.endpoint));
  return places.flatMap((place, i) => {
    const first = places.indexOf(place);
    if (first === i || place === undefined || /"port":0\b/.test(place)) return [];
    return [`listen[${i}]: ${listen[i]!.name} is where listen[${first}] is; allowed is each place once`];
  });
}

/** A name is a plugin's metrics, its circuit and its place in the log. */
function repeated(rules: readonly Rule[]): string[] {
  const places = placesOf("plugins", rules);
  return places.flatMap(([place, name], i) => {
    const [first] = places.find(([, other]) => other === name)!;
    if (places[i]![0] === first || typeof name !== "string") return [];
    return [
      `${place} (${name}): is named as ${first} is; allowed is each name once (named("…", plugin) gives another)`,
    ];
  });
}

/** A backend is drained, counted and told of by its name. */
function repeatedBackends(backends: Settings["backends"]): string[] {
  const names = backends.map((backend) => backend?.name);
  return names.flatMap((name, i) => {
    const first = names.indexOf(name);
    if (first === i || name === undefined) return [];
    return [
      `backends[${i}]: ${name} is backends[${first}] too; allowed is each once (weight=2 doubles a share)`,
    ];
  });
}

/** Every plugin's place and name; what has no name is told elsewhere. */
function placesOf(place: string, rules: readonly Rule[]): (readonly [place: string, name: unknown])[] {
  return rules.flatMap((rule, i) => {
    const here = `${place}[${i}]`;
    const { group, rules: inner, name } = (rule ?? {}) as Record<string, unknown>;
    return group === undefined
      ? [[here, name] as const]
      : placesOf(`${here}.rules`, elements(inner as Rule[]));
  });
}
