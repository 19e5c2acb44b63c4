/**
 * The web as a map, for tests.
 */

/** A response: 200 with nothing in it, but for what is given. */
export interface FakeResponse {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
  /** In place of `text`: a value that is sent as JSON. */
  readonly json?: unknown;
}

/** `"refused"`: nobody listens there. `"never"`: there is no answer, until the signal fires. */
export type FetchAnswer = FakeResponse | "refused" | "never";

/**
 * Answers by URL (`"https://api.example/v1?ip=192.0.2.1"`, or the same without its query), or by method and URL
 * (`"POST https://api.example/v1"`). A function is asked each time.
 */
export type FetchMap = Readonly<
  Record<string, FetchAnswer | ((request: Request) => FetchAnswer | Promise<FetchAnswer>)>
>;

/** What was asked and how it is answered. */
export interface FakeFetch {
  (url: string | URL, init?: RequestInit): Promise<Response>;
  /** `"GET https://api.example/v1"`, in order. */
  readonly requests: readonly string[];
}

/** A `fetch` that knows these answers; any other URL is an error. */
export function fetchOf(map: FetchMap): FakeFetch {
  const requests: string[] = [];
  const answer = async (url: string | URL, init?: RequestInit) => {
    const request = new Request(String(url), init);
    requests.push(`${request.method} ${request.url}`);
    const given = find(map, request);
    return respond(typeof given === "function" ? await given(request) : given, request);
  };
  return Object.assign(answer, { requests });
}

function find(map: FetchMap, { method, url }: Request): FetchMap[string] {
  const plain = url.split("?")[0]!;
  for (const name of [`${method} ${url}`, url, `${method} ${plain}`, plain]) {
    const given = map[name];
    if (given !== undefined) return given;
  }
  throw new Error(
    `Cannot fetch ${method} ${url}: the test gives ${Object.keys(map).join(", ") || "no answers"}`,
  );
}

function respond(answer: FetchAnswer, { signal, url }: Request): Response | Promise<Response> {
  if (answer === "refused") throw new TypeError(`Cannot connect to ${new URL(url).host}`);
  if (answer === "never") return whenAborted(signal);
  const { status = 200, headers = {}, text = "", json } = answer;
  return json === undefined
    ? new Response(status === 204 ? null : text, { status, headers })
    : Response.json(json, { status, headers });
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
