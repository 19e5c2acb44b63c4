/**
 * Names that providers give to addresses by the thousand: `203-0-113-7.dsl.example.net`. Mail servers have names of their
 * own; infected machines at home have these.
 */

/** Words in the names of dynamic addresses. */
const DYNAMIC: ReadonlySet<string> = new Set([
  "adsl",
  "broadband",
  "cable",
  "cablemodem",
  "catv",
  "cpe",
  "dhcp",
  "dial",
  "dialin",
  "dialup",
  "dsl",
  "dslam",
  "dyn",
  "dynamic",
  "dynip",
  "fios",
  "ftth",
  "hsd",
  "mobile",
  "modem",
  "pool",
  "pools",
  "ppp",
  "pppoe",
  "resnet",
  "sdsl",
  "umts",
  "vdsl",
  "wifi",
  "wlan",
  "xdsl",
]);

/** Words that say otherwise: large senders number their machines too, and firms have lines of their own. */
const EXEMPT: ReadonlySet<string> = new Set([
  "business",
  "fixed",
  "mail",
  "mailer",
  "mailout",
  "mta",
  "mx",
  "out",
  "outbound",
  "relay",
  "smtp",
  "smtpout",
  "static",
]);

/** Labels of a provider's own domain at the end of a name, which say nothing of the machine. */
const OWN_LABELS = 2;

/**
 * Why a name looks like one of many, in words.
 * @param name lower case, ASCII
 * @param octets of the address that has it
 */
export function genericName(name: string, octets: Uint8Array): string | undefined {
  const host = hostPart(name);
  const words: readonly string[] = host.match(/[a-z]+/g) ?? [];
  if (words.some((word) => EXEMPT.has(word))) return undefined;
  const word = words.find((each) => DYNAMIC.has(each));
  if (word !== undefined) return `it holds "${word}"`;
  const holds = octets.length === 4 ? holdsIpv4(host, octets) : holdsIpv6(host, octets);
  return holds ? "it holds the address" : undefined;
}

/** All but the provider's domain. */
function hostPart(name: string): string {
  let end = name.length;
  for (let i = 0; i < OWN_LABELS && end > 0; i++) end = name.lastIndexOf(".", end - 1);
  return name.slice(0, Math.max(end, 0));
}

/** The last three octets say enough: providers leave out the first. */
const ENOUGH = 3;

function holdsIpv4(host: string, octets: Uint8Array): boolean {
  const forwards = [...octets].slice(4 - ENOUGH);
  const backwards = forwards.toReversed();
  const values = (host.match(/\d+/g) ?? []).map(Number);
  for (let at = 0; at + ENOUGH <= values.length; at++) {
    if (forwards.every((octet, i) => values[at + i] === octet)) return true;
    if (backwards.every((octet, i) => values[at + i] === octet)) return true;
  }
  const digits = (base: number, width: number) =>
    [...octets].map((o) => o.toString(base).padStart(width, "0"));
  return [digits(10, 3), digits(16, 2)].some((all) =>
    host.includes(all.join("")) || host.includes(all.toReversed().join(""))
  );
}

/** Nibbles of an interface, the second half of an address. */
const INTERFACE = 16;

function holdsIpv6(host: string, octets: Uint8Array): boolean {
  const nibbles = [...octets].map((octet) => octet.toString(16).padStart(2, "0")).join("");
  const squeezed = host.replace(/[.-]/g, "");
  const own = nibbles.slice(INTERFACE);
  // Of ::1 and its like hardly anything is left to recognise.
  if (/^0{8}/.test(own)) return squeezed.includes(nibbles) || host.includes(dashed(octets));
  return [own, [...own].reverse().join("")].some((text) => squeezed.includes(text)) ||
    host.includes(dashed(octets));
}

/** The address as `2001-db8-0-0-…`, each group without leading zeros. */
function dashed(octets: Uint8Array): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((octets[i]! << 8 | octets[i + 1]!).toString(16));
  return groups.join("-");
}
