/**
 * What is said to a backend before a transaction, as a pure machine: every order that its settings can bring about, and every
 * refusal on the way (RFC 3207, RFC 4954, RFC 2033, XCLIENT_README).
 */
import { describe, expect, test } from "bun:test";
import { Handshake, type Move } from "../../src/backend/handshake.ts";
import type { Identity } from "../../src/backend/identity.ts";
import { completeBackend } from "../../src/policy/backend_address.ts";
import type { Step } from "../../src/smtp/client.ts";
import { latin1, latin1Text } from "../../src/smtp/reply.ts";

const CLIENT: Identity = {
  remote: { host: "203.0.113.7", port: 50_000 },
  local: { host: "192.0.2.25", port: 25 },
  unknown: false,
  name: "client.example",
  helo: "helo.example",
  verb: "EHLO",
  user: undefined,
  tls: undefined,
};

const XCLIENT = "XCLIENT NAME ADDR PORT PROTO HELO";
const NAMED = "XCLIENT NAME=client.example PROTO=ESMTP HELO=helo.example PORT=50000 ADDR=203.0.113.7";

const USER: Identity = { ...CLIENT, user: "me@live.example" };

interface Case {
  /** The client has authenticated. */
  readonly user?: boolean;
  /** The backend; `10.0.0.1:25` with these options behind it, or an address. */
  readonly backend: string;
  /** Whether it speaks for a client; it does where nothing is said. */
  readonly ourselves?: boolean;
  /** TLS has failed there lately. */
  readonly plain?: boolean;
  /** How our login was refused there lately. */
  readonly refused?: string;
  /** `> line`, `< reply` (lines with "|" between them), `(TLS)`, and at the end `= ready KEYWORDS`, `= refused 554`, `= fault …`. */
  readonly script: string;
}

/** Plays a script, and fails at the first move that is another. */
function play({ backend, user, ourselves, plain = false, refused, script }: Case): void {
  const address = completeBackend(backend.startsWith("?") ? `10.0.0.1:25${backend}` : backend);
  const client = ourselves ? undefined : user ? USER : CLIENT;
  const handshake = new Handshake({
    address,
    hostname: "mx.example",
    client,
    plain,
    refusedLogin: () => refused,
  });
  let move: Move = handshake.begin();
  let step: Step = "greeting";
  for (const line of script.split("\n").map((each) => each.trim()).filter((each) => each !== "")) {
    const said = line.slice(2);
    if (line.startsWith("= ")) expect(shown(move)).toMatch(new RegExp(`^${said}`));
    else if (line === "(TLS)") {
      expect(shown(move)).toBe("secure");
      move = handshake.secured();
    } else if (line.startsWith("> ")) {
      expect(shown(move)).toBe(`> ${said}`);
      if (move.kind === "send") step = move.step;
    } else {
      if (move.kind === "await") step = move.step;
      else if (move.kind !== "send") throw new Error(`${line}: nothing is awaited, but ${shown(move)}`);
      const lines = said.split("|");
      const code = lines[0]!.slice(0, 3);
      const text = lines.map((each, i) => `${i === 0 ? each : `${code} ${each}`}\r\n`);
      const bytes = text.map((each, i) => i < text.length - 1 ? `${code}-${each.slice(4)}` : each).join("");
      move = handshake.reply(step, { code: Number(code), bytes: latin1(bytes) });
    }
  }
}

function shown(move: Move): string {
  if (move.kind === "send") return `> ${move.line}`;
  if (move.kind === "ready") {
    const words = [...move.extensions].map(([keyword, value]) => `${keyword} ${value}`.trim());
    return `ready ${words.join(", ")}`.trim();
  }
  if (move.kind === "refused") return `refused ${latin1Text(move.reply.bytes).trim()}`;
  return move.kind === "fault" ? `fault ${move.detail}` : move.kind;
}

function cases(title: string, all: Readonly<Record<string, Case>>): void {
  describe(title, () => {
    for (const [name, each] of Object.entries(all)) test(name, () => play(each));
  });
}

const GREETED = "< 220 backend.example\n> EHLO mx.example";

cases("in the clear:", {
  "EHLO is all": {
    backend: "?tls=off&identity=none",
    script: `${GREETED}\n< 250 backend.example|SIZE 5|8BITMIME\n= ready SIZE 5, 8BITMIME$`,
  },
  "HELO where EHLO is refused": {
    backend: "?tls=off",
    script: `${GREETED}\n< 502 5.5.1 no\n> HELO mx.example\n< 250 backend.example\n= ready$`,
  },
  "nonsense in EHLO is passed over": {
    backend: "?tls=off",
    script: `${GREETED}\n< 250 x|=|-| |STARTTLS\tx|XCLIENT|AUTH|SIZE=7|size\n= ready XCLIENT, AUTH, SIZE$`,
  },
  "a refusal to ourselves is a fault of the backend": {
    backend: "?tls=off",
    script: "< 554 5.7.1 go away\n= fault greeted with 5.7.1 go away \\(554\\)$",
  },
  "a refusal of EHLO and HELO too": {
    backend: "?tls=off",
    script: `${GREETED}\n< 550 no\n> HELO mx.example\n< 550 no\n= fault answered HELO with no \\(550\\)$`,
  },
  "on this machine STARTTLS is not asked for": {
    backend: "127.0.0.1:25?identity=none",
    script: `${GREETED}\n< 250 x|STARTTLS\n= ready STARTTLS$`,
  },
});

cases("TLS:", {
  "opportunistic is what is usual elsewhere": {
    backend: "?identity=none",
    script:
      `${GREETED}\n< 250 x|STARTTLS|SIZE 1\n> STARTTLS\n< 220 go\n(TLS)\n> EHLO mx.example\n< 250 x|SIZE 2\n= ready SIZE 2$`,
  },
  "and is done without where it is not offered": {
    backend: "?identity=none",
    script: `${GREETED}\n< 250 x|SIZE 1\n= ready SIZE 1$`,
  },
  "and where it is refused": {
    backend: "?identity=none",
    script: `${GREETED}\n< 250 x|STARTTLS\n> STARTTLS\n< 454 4.7.0 later\n= ready STARTTLS$`,
  },
  "and where it has failed lately": {
    backend: "?identity=none",
    plain: true,
    script: `${GREETED}\n< 250 x|STARTTLS\n= ready STARTTLS$`,
  },
  "required is never done without: it is not offered": {
    backend: "?tls=required",
    plain: true,
    script: `${GREETED}\n< 250 x|SIZE\n= fault offers no STARTTLS, and tls is required$`,
  },
  "required, and there is HELO only": {
    backend: "?tls=required",
    script:
      `${GREETED}\n< 500 x\n> HELO mx.example\n< 250 x\n= fault offers no STARTTLS, and tls is required$`,
  },
  "required, and it has failed lately": {
    backend: "?tls=required",
    plain: true,
    script: `${GREETED}\n< 250 x|STARTTLS\n> STARTTLS\n< 220 x\n= secure$`,
  },
  "required, and it is refused": {
    backend: "?tls=required",
    script:
      `${GREETED}\n< 250 x|STARTTLS\n> STARTTLS\n< 454 4.7.0 later\n= fault answered STARTTLS with 4.7.0 later \\(454\\), and tls`,
  },
  "what was offered before TLS is forgotten": {
    backend: "?tls=required",
    script:
      `${GREETED}\n< 250 x|STARTTLS|XCLIENT ADDR|AUTH PLAIN\n> STARTTLS\n< 220 x\n(TLS)\n> EHLO mx.example\n< 250 x\n= ready$`,
  },
  "EHLO refused under TLS": {
    backend: "?tls=required",
    script: `${GREETED}\n< 250 x|STARTTLS\n> STARTTLS\n< 220 x\n(TLS)\n> EHLO mx.example\n< 550 5.0.0 no
      > HELO mx.example\n< 550 5.0.0 no\n= fault answered HELO`,
  },
  "implicit comes before the greeting, and once": {
    backend: "smtps://10.0.0.1:465?identity=none",
    script: `(TLS)\n< 220 x\n> EHLO mx.example\n< 250 x|STARTTLS\n= ready STARTTLS$`,
  },
});

cases("auto that somebody relies on is required:", {
  "a pin": { backend: `?pins=${"A".repeat(43)}=`, script: `${GREETED}\n< 250 x\n= fault offers no STARTTLS` },
  "a CA": { backend: "?ca=ca.pem", script: `${GREETED}\n< 250 x\n= fault offers no STARTTLS` },
  "a name": { backend: "?serverName=b.example", script: `${GREETED}\n< 250 x\n= fault offers no STARTTLS` },
  "verify": { backend: "?verify=ca", script: `${GREETED}\n< 250 x\n= fault offers no STARTTLS` },
  "a password": {
    backend: "?login=u:p",
    script: `${GREETED}\n< 250 x|AUTH PLAIN\n= fault offers no STARTTLS`,
  },
  "a pin on this machine": {
    backend: `127.0.0.1:25?pins=${"A".repeat(43)}=`,
    script: `${GREETED}\n< 250 x\n= fault offers no STARTTLS`,
  },
});

const OFFERED = `${GREETED}\n< 250 x|${XCLIENT}\n> ${NAMED}`;

cases("XCLIENT:", {
  "names the client, and greets as the client": {
    backend: "?tls=off",
    script: `${OFFERED}\n< 220 x\n> EHLO helo.example\n< 250 x|SIZE 3\n= ready SIZE 3$`,
  },
  "250 will do": {
    backend: "?tls=off",
    script: `${OFFERED}\n< 250 x\n> EHLO helo.example\n< 250 x\n= ready$`,
  },
  "is not said where it is not offered": {
    backend: "?tls=off",
    script: `${GREETED}\n< 250 x\n= ready$`,
  },
  "nor where nothing it knows is offered": {
    backend: "?tls=off",
    script: `${GREETED}\n< 250 x|XCLIENT FOO\n= ready XCLIENT FOO$`,
  },
  "nor for ourselves": {
    backend: "?tls=off&identity=xclient",
    ourselves: true,
    script: `${GREETED}\n< 250 x|${XCLIENT}\n= ready ${XCLIENT}$`,
  },
  "nor where identity is xforward": {
    backend: "?tls=off&identity=xforward",
    script: `${GREETED}\n< 250 x|${XCLIENT}\n= ready`,
  },
  "asked for by name, and not offered": {
    backend: "?tls=off&identity=xclient",
    script: `${GREETED}\n< 250 x\n= fault offers no XCLIENT to us, and identity is xclient$`,
  },
  "asked for by name, and offered without what matters": {
    backend: "?tls=off&identity=xclient",
    script:
      `${GREETED}\n< 250 x|XCLIENT NAME LOGIN\n= fault offers XCLIENT without ADDR, and identity is xclient$`,
  },
  "asked for by name, and HELO only": {
    backend: "?tls=off&identity=xclient",
    script: `${GREETED}\n< 500 x\n> HELO mx.example\n< 250 x\n= fault offers no XCLIENT`,
  },
  "asked for by name, and offered before TLS only": {
    backend: "?tls=required&identity=xclient",
    script:
      `${GREETED}\n< 250 x|STARTTLS|${XCLIENT}\n> STARTTLS\n< 220 x\n(TLS)\n> EHLO mx.example\n< 250 x\n= fault offers no XCLIENT`,
  },
  "comes after TLS, and before AUTH": {
    backend: "?tls=required&login=u:p",
    script:
      `${GREETED}\n< 250 x|STARTTLS\n> STARTTLS\n< 220 x\n(TLS)\n> EHLO mx.example\n< 250 x|${XCLIENT}|AUTH PLAIN
      > ${NAMED}\n< 220 x\n> EHLO helo.example\n< 250 x|AUTH PLAIN\n> AUTH PLAIN AHUAcA==\n< 235 ok\n= ready AUTH PLAIN$`,
  },
  "a user who is named by it is not made ourselves by AUTH": {
    backend: "127.0.0.1:25?login=u:p",
    user: true,
    script: `${GREETED}\n< 250 x|XCLIENT LOGIN|AUTH PLAIN\n> XCLIENT LOGIN=me@live.example\n< 220 x
      > EHLO helo.example\n< 250 x|AUTH PLAIN\n= ready AUTH PLAIN$`,
  },
  "where it has no LOGIN, our credentials are what there is": {
    backend: "127.0.0.1:25?login=u:p",
    user: true,
    script: `${GREETED}\n< 250 x|XCLIENT ADDR|AUTH PLAIN\n> XCLIENT ADDR=203.0.113.7\n< 220 x
      > EHLO helo.example\n< 250 x|AUTH PLAIN\n> AUTH PLAIN AHUAcA==\n< 235 x\n= ready`,
  },
  "and where nobody has authenticated": {
    backend: "127.0.0.1:25?login=u:p",
    script: `${GREETED}\n< 250 x|XCLIENT LOGIN|AUTH PLAIN\n> XCLIENT LOGIN=[UNAVAILABLE]\n< 220 x
      > EHLO helo.example\n< 250 x|AUTH PLAIN\n> AUTH PLAIN AHUAcA==\n< 235 x\n= ready`,
  },
  "is offered again after it: it is said once": {
    backend: "?tls=off",
    script: `${OFFERED}\n< 220 x\n> EHLO helo.example\n< 250 x|${XCLIENT}\n= ready ${XCLIENT}$`,
  },
});

for (const reply of ["501 5.5.4 bad", "503 5.5.1 bad", "500 5.5.2 what", "504 5.5.4 no", "502 5.5.1 no"]) {
  cases(`${reply} to XCLIENT`, {
    "is our fault, not the client's": {
      backend: "?tls=off",
      script: `${OFFERED}\n< ${reply}\n= fault answered XCLIENT with`,
    },
  });
}

cases("not being allowed to say XCLIENT is our fault:", {
  "Postfix": {
    backend: "?tls=off",
    script: `${OFFERED}\n< 550 5.7.0 Error: insufficient authorization\n= fault`,
  },
  "Dovecot": { backend: "?tls=off", script: `${OFFERED}\n< 550 5.7.14 You are not from trusted IP\n= fault` },
  "others": { backend: "?tls=off", script: `${OFFERED}\n< 550 not authorised\n= fault` },
  "a server with a trouble of its own": {
    backend: "?tls=off",
    script: `${OFFERED}\n< 451 4.3.0 queue file write error\n= fault`,
  },
});

for (
  const verdict of ["554 5.7.1 Client host rejected", "550 5.7.1 not you", "450 4.7.25 no name", "521 no"]
) {
  cases(`${verdict} is relayed as the verdict on the client`, {
    "where it answers XCLIENT": {
      backend: "?tls=off",
      script: `${OFFERED}\n< ${verdict}\n= refused ${verdict}$`,
    },
    "where it answers XCLIENT under TLS": {
      backend: "?tls=required",
      script: `${GREETED}\n< 250 x|STARTTLS\n> STARTTLS\n< 220 x\n(TLS)\n> EHLO mx.example\n< 250 x|${XCLIENT}
        > ${NAMED}\n< ${verdict}\n= refused ${verdict}$`,
    },
    "where it answers the client's EHLO and HELO": {
      backend: "?tls=off",
      script: `${OFFERED}\n< 220 x\n> EHLO helo.example\n< ${verdict}\n> HELO helo.example\n< ${verdict}
        = refused ${verdict}$`,
    },
    "where it is the greeting behind a PROXY header": {
      backend: "?tls=off&identity=proxy-v2",
      script: `< ${verdict}\n= refused ${verdict}$`,
    },
    "and is none where it is the greeting to us": {
      backend: "?tls=off",
      script: `< ${verdict}\n= fault greeted with`,
    },
    "and none of a look behind a PROXY header": {
      backend: "?tls=off&identity=proxy-v1",
      ourselves: true,
      script: `< ${verdict}\n= fault greeted with`,
    },
  });
}

cases("a PROXY header:", {
  "makes the connection the client's from the start": {
    backend: "?tls=off&identity=proxy-v1",
    script:
      "< 220 x\n> EHLO helo.example\n< 250 x|XCLIENT ADDR|XFORWARD ADDR\n= ready XCLIENT ADDR, XFORWARD ADDR$",
  },
  "TLS comes behind it": {
    backend: "?identity=proxy-v2",
    script:
      "< 220 x\n> EHLO helo.example\n< 250 x|STARTTLS\n> STARTTLS\n< 220 x\n(TLS)\n> EHLO helo.example\n< 250 x\n= ready$",
  },
  "a server that is not well says so of itself": {
    backend: "?tls=off&identity=proxy-v2",
    script: "< 554 5.3.2 no mail is taken today\n= fault greeted with 5.3.2",
  },
});

const AUTH = "127.0.0.1:25?identity=none&login=user:secret";
const asked = (mechanisms: string) => `${GREETED}\n< 250 x|AUTH ${mechanisms}`;

cases("AUTH:", {
  "PLAIN before LOGIN": {
    backend: AUTH,
    script: `${asked("LOGIN PLAIN")}\n> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 235 x\n= ready`,
  },
  "LOGIN where there is no other": {
    backend: AUTH,
    script: `${
      asked("login")
    }\n> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n> dXNlcg==\n< 334 UGFzc3dvcmQ6\n> c2VjcmV0\n< 235 x\n= ready`,
  },
  "old servers write AUTH=": {
    backend: AUTH,
    script: `${GREETED}\n< 250 x|AUTH=LOGIN PLAIN\n> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 235 x\n= ready`,
  },
  "neither is offered": {
    backend: AUTH,
    script: `${asked("CRAM-MD5")}\n= fault offers AUTH CRAM-MD5; wanted is PLAIN or LOGIN`,
  },
  "it was refused lately": {
    backend: AUTH,
    refused: "answered AUTH with no (535)",
    script: `${
      asked("PLAIN")
    }\n= fault answered AUTH with no \\(535\\), and is not told our login again yet$`,
  },
  "it was refused lately, and the client is named as its own user": {
    backend: "127.0.0.1:25?login=u:p",
    refused: "answered AUTH with no (535)",
    user: true,
    script: `${GREETED}\n< 250 x|XCLIENT LOGIN|AUTH PLAIN\n> XCLIENT LOGIN=me@live.example\n< 220 x
      > EHLO helo.example\n< 250 x|AUTH PLAIN\n= ready AUTH PLAIN$`,
  },
  "none is offered": { backend: AUTH, script: `${GREETED}\n< 250 x\n= fault offers AUTH not at all` },
  "535 is a fault in words": {
    backend: AUTH,
    script: `${
      asked("PLAIN")
    }\n> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 535 5.7.8 wrong\n= fault answered AUTH with 5.7.8 wrong \\(535\\)$`,
  },
  "334 without end comes to an end": {
    backend: AUTH,
    script: `${
      asked("LOGIN")
    }\n> AUTH LOGIN\n< 334 x\n> dXNlcg==\n< 334 x\n> c2VjcmV0\n< 334 c2VjcmV0\n= fault answered AUTH with 334 \\(its text is hidden\\)$`,
  },
  "an echo of the command is not told": {
    backend: AUTH,
    script: `${
      asked("PLAIN")
    }\n> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 500 5.5.1 unknown: "AUTH PLAIN AHVz"\n= fault answered AUTH with 500 \\(its text is hidden\\)$`,
  },
  "nor an echo of the password in a judgement": {
    backend: AUTH,
    script: `${
      asked("PLAIN")
    }\n> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 535 5.7.8 secret is wrong\n= fault answered AUTH with 535 \\(its`,
  },
});

cases("LMTP:", {
  "LHLO, and one recipient a transaction": {
    backend: "lmtp://127.0.0.1:24?identity=none",
    script: "< 220 x\n> LHLO mx.example\n< 250 x|PIPELINING\n= ready PIPELINING, LIMITS RCPTMAX=1$",
  },
  "what it says of LIMITS itself stays": {
    backend: "lmtp://unix:/run/lmtp",
    script:
      "< 220 x\n> LHLO mx.example\n< 250 x|LIMITS MAILMAX=7 RCPTMAX=50\n= ready LIMITS (?=.*MAILMAX=7)(?=.*RCPTMAX=1\\b)",
  },
  "there is no HELO": {
    backend: "lmtp://127.0.0.1:24",
    script: "< 220 x\n> LHLO mx.example\n< 500 what\n= fault answered LHLO with what \\(500\\)$",
  },
  "LHLO is said again after XCLIENT": {
    backend: "lmtp://127.0.0.1:24",
    script:
      "< 220 x\n> LHLO mx.example\n< 250 x|XCLIENT ADDR\n> XCLIENT ADDR=203.0.113.7\n< 220 x\n> LHLO helo.example\n< 250 x\n= ready",
  },
});

describe("a kept connection:", () => {
  const address = completeBackend("10.0.0.1:25?tls=required&login=u:p");
  const rename = (xclient: string) => {
    const handshake = new Handshake({ address, hostname: "mx.example", client: CLIENT, plain: false });
    return { handshake, move: handshake.rename(new Map([["XCLIENT", xclient], ["AUTH", "PLAIN"]]), true) };
  };

  test("is introduced anew, and its backend told who we are again", () => {
    const { handshake, move } = rename("ADDR");
    expect(shown(move)).toBe("> XCLIENT ADDR=203.0.113.7");
    const after = handshake.reply("xclient", { code: 220, bytes: latin1("220 x\r\n") });
    expect(shown(after)).toBe("> EHLO helo.example");
    const last = handshake.reply("ehlo", { code: 250, bytes: latin1("250-x\r\n250 AUTH PLAIN\r\n") });
    expect(shown(last)).toBe("> AUTH PLAIN AHUAcA==");
  });

  test("where there is nothing to say, AUTH is not said twice", () => {
    expect(rename("FOO").move.kind).toBe("ready");
  });
});

test("no name can break a line: what is no octet of a name is not sent", () => {
  for (const helo of ["a\r\nMAIL FROM:<x>", "a\nb", "a\0b", "ä b", "[UNAVAILABLE]"]) {
    const client = { ...CLIENT, helo, name: helo, user: helo };
    const address = completeBackend("10.0.0.1:25?tls=off");
    const handshake = new Handshake({ address, hostname: "mx.example", client, plain: false });
    handshake.reply("greeting", { code: 220, bytes: latin1("220 x\r\n") });
    const bytes = latin1(`250-x\r\n250 ${XCLIENT} LOGIN\r\n`);
    const move = handshake.reply("ehlo", { code: 250, bytes });
    if (move.kind !== "send") throw new Error(shown(move));
    expect(move.line).not.toMatch(/[\0\r\n]/);
    expect(move.line).toContain("NAME=[UNAVAILABLE]");
    const proxied = completeBackend("10.0.0.1:25?tls=off&identity=proxy-v2");
    const behind = new Handshake({ address: proxied, hostname: "mx.example", client, plain: false });
    const hello = behind.reply("greeting", { code: 220, bytes: latin1("220 x\r\n") });
    expect(shown(hello)).toBe("> EHLO mx.example");
  }
});
