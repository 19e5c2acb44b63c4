// An auth service on a socket of its own: remembers what arrives octet by octet, and answers with any octets at all.
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** One request as it came: the request line, and its fields in order, names in small letters. */
export interface Arrived {
  readonly line: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Octets, one character per byte; a function may do anything with the connection. */
export type Response = string | ((socket: Socket) => void);

export class AuthService {
  readonly arrived: Arrived[] = [];
  response: Response;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(response: Response, tls?: { readonly cert: string; readonly key: string }) {
    this.response = response;
    const serve = (socket: Socket) => this.#serve(socket);
    this.#server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let head = "";
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("data", (bytes: Buffer) => {
      const whole = head.includes("\r\n\r\n");
      head += bytes.toString("latin1");
      if (whole || !head.includes("\r\n\r\n")) return;
      this.arrived.push(readHead(head));
      const { response } = this;
      if (typeof response === "function") response(socket);
      else socket.end(response, "latin1");
    });
  }
}

function readHead(head: string): Arrived {
  const [line = "", ...lines] = head.slice(0, head.indexOf("\r\n\r\n")).split("\r\n");
  const fields = lines.map((field) => {
    const colon = field.indexOf(":");
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const;
  });
  return { line, fields };
}

/** A response with these fields, as simple services send it. */
export function response(fields: Readonly<Record<string, string>>, status = "HTTP/1.0 200 OK"): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${status}\r\n${lines.join("")}\r\n`;
}
