/**
 * Which senders the greylist takes for the same.
 */
import { describe, expect, test } from "bun:test";
import { Door, MINUTE, WAIT } from "./greylist_scene.ts";

describe("senders are the same but for", () => {
  const same: readonly (readonly [what: string, one: string, other: string])[] = [
    ["upper case", "News@Client.example", "news@client.EXAMPLE"],
    ["the number of a message", "bounce-1234-77@l.example", "bounce-1235-9@l.example"],
    [
      "the recipient in VERP",
      "list-return-12-b=mx.example@l.example",
      "list-return-13-b=mx.example@l.example",
    ],
    ["an extension", "list-bounces+b=mx.example@l.example", "list-bounces+other=mx.example@l.example"],
    ["BATV", "prvs=1234abcdef=a@l.example", "prvs=52f0e1d2c3=a@l.example"],
    ["BATV or none", "prvs=1234abcdef=a@l.example", "a@l.example"],
    ["BATV in its older order", "prvs=a/1234abcdef@l.example", "prvs=a/52f0e1d2c3@l.example"],
    ["another maker's BATV", "btv1==02ab3==a@l.example", "btv1==99zz==a@l.example"],
    ["SRS0", "SRS0=Ab3d=X7=home.example=anna@f.example", "SRS0=q9Zz=Y1=home.example=anna@f.example"],
    [
      "SRS1",
      "SRS1=Ab3=g.example==HH1=X7=h.example=anna@f.example",
      "SRS1=zz9=g.example==KK2=Y2=h.example=anna@f.example",
    ],
    [
      "a UUID",
      "550e8400-e29b-41d4-a716-446655440000@l.example",
      "660e8400-f39b-51d4-b716-556655440000@l.example",
    ],
    [
      "an identifier in hexadecimal",
      "0102018c1f2b3c4d-550e8400-e29b-41d4-a716-446655440000-000000@l.example",
      "0102019d2e3f4a5b-111e8400-e29b-41d4-a716-446655440111-000000@l.example",
    ],
    ["an identifier drawn by lot", "bounces-x7q2mz0k4bt9a@l.example", "bounces-k3j1hz8k4cq7e@l.example"],
  ];
  for (const [what, from, other] of same) {
    test(what, async () => {
      const door = new Door();
      await door.send({ from });
      door.now += 5 * MINUTE;
      expect(await door.send({ from: other })).toBe("taken");
    });
  }

  const different: readonly (readonly [one: string, other: string])[] = [
    ["anna@l.example", "berta@l.example"],
    ["bounce-12@l.example", "return-12@l.example"],
    ["SRS0=Ab3d=X7=home.example=anna@f.example", "SRS0=Ab3d=X7=home.example=berta@f.example"],
    ["SRS0=Ab3d=X7=home.example=anna@f.example", "SRS0=Ab3d=X7=house.example=anna@f.example"],
    ["prvs=1234abcdef=a@l.example", "prvs=1234abcdef=b@l.example"],
    ["+a@l.example", "+b@l.example"],
    ["ünsal@l.example", "önsal@l.example"],
    ['"a\\"b"@l.example', '"a\\"c"@l.example'],
  ];
  for (const [from, other] of different) {
    test(`not ${from} and ${other}`, async () => {
      const door = new Door();
      await door.sendTwice({ from });
      expect(await door.send({ from: other })).toBe(WAIT);
    });
  }
});
