/** Sallyport with the checks of `policies/front_door.ts`; see `front_door_policy.ts` for what differs. */
import type { Peer } from "../peer.ts";
import { listZones, ourDomain, type Sources } from "../front_door_scene.ts";
import { sallyport, startSallyport } from "./sallyport.ts";

export function sallyportFrontDoor({ nameServer, redis }: Sources): Peer {
  return {
    ...sallyport,
    start: (setup) =>
      startSallyport("bench/support/front_door_policy.ts", setup, {
        SALLYPORT_RELAY_DOMAINS: ourDomain,
        SALLYPORT_DNS: nameServer,
        SALLYPORT_STORE: `redis://127.0.0.1:${redis}/0`,
        SALLYPORT_DNSBL: listZones.join(" "),
      }),
  };
}
