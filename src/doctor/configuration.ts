/**
 * The configuration lines for a backend behind the proxy, per mail server: how it is told who the client is, that it
 * relays for nobody the proxy brings, that it reads one end of data, and that it does not count all clients as one.
 */
import { exchange } from "./configuration_exchange.ts";
import { exim } from "./configuration_exim.ts";
import { opensmtpd } from "./configuration_opensmtpd.ts";
import { postfix } from "./configuration_postfix.ts";
import { sendmail } from "./configuration_sendmail.ts";
import { stalwart } from "./configuration_stalwart.ts";
import type { Server } from "./software.ts";

const CONFIGURATIONS: Readonly<Record<Server, (proxy: string) => readonly string[]>> = {
  postfix,
  exim,
  sendmail,
  opensmtpd,
  stalwart,
  exchange,
};

/** @param proxy the proxy's address, as the backend sees it */
export function configurationFor(server: Server, proxy: string): readonly string[] {
  return CONFIGURATIONS[server](proxy);
}
