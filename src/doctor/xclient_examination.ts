/**
 * XCLIENT: is it offered, taken, believed; and is it taken from whom it was not offered to?
 */
import { belief, type Identities } from "./belief.ts";
import { type Door, NoEntry } from "./door.ts";
import { finder, type Finding } from "./finding.ts";
import { isNo, isUnknown, isYes } from "./heard.ts";
import type { Meeting } from "./meeting.ts";
import { strangerTo, type Visitor } from "./visitor.ts";

const finding = finder("identity");

export async function examineXclient(door: Door, { extensions, remote }: Meeting): Promise<Identities> {
  const way: Visitor = { kind: "stranger", by: "XCLIENT" };
  if (!extensions.has("XCLIENT")) return { ways: [], findings: [await unofferedXclient(door)] };
  try {
    const entered = await door.enter(way);
    return { ways: [way], findings: [await belief(entered, "XCLIENT")] };
  } catch (cause) {
    if (!(cause instanceof NoEntry)) throw cause;
    const what = "It offers XCLIENT and does not take it";
    const advice = `if the reply is its verdict on ${
      strangerTo(remote)
    }, that is right; otherwise see its log`;
    return {
      ways: [],
      findings: [finding("warning", "xclient-refused", what, { seen: [cause.message], advice })],
    };
  }
}

async function unofferedXclient(door: Door): Promise<Finding> {
  const { conversation } = await door.enter();
  const heard = await conversation.ask(`XCLIENT ADDR=${strangerTo(conversation.remote)} PORT=41234`);
  await conversation.quit();
  const seen = [`XCLIENT: ${heard.text}`];
  if (isYes(heard)) {
    return finding("warning", "xclient-unoffered", "It takes XCLIENT without offering it", {
      seen,
      advice: "find out whom it takes it from: whoever may send XCLIENT may be anybody",
    });
  }
  if (isNo(heard) && !isUnknown(heard)) {
    return finding("note", "xclient-untrusted", "It may know XCLIENT, and does not take it from us", {
      seen,
    });
  }
  return finding("note", "no-xclient", "It does not know XCLIENT", { seen });
}
