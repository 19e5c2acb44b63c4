/**
 * What a client is told of a message that cannot be taken.
 */
import type { Refusal } from "../smtp/commands.ts";
import type { MessageFault } from "../smtp/data.ts";

export function messageRefusal(fault: MessageFault): Refusal {
  switch (fault) {
    case "bare CR":
    case "bare LF":
      return [550, "6.0", `Message holds a ${fault}: only CR LF ends a line`];
    case "NUL in the header":
      return [550, "6.0", "Message holds a NUL in its header"];
    case "line too long":
      return [550, "6.0", "Message holds a line that is too long"];
    case "header too large":
      return [552, "3.4", "Message header too large"];
    case "message too large":
      return [552, "3.4", "Message too large"];
  }
}
