/** What a store's operations are called in errors: "Cannot <deed>: <why>". */
export const DEEDS = {
  get: "get a value from the store",
  set: "set a value in the store",
  delete: "delete a value from the store",
  count: "count in the store",
  draw: "draw on a rate",
  refund: "refund a rate",
  greylist: "ask the greylist",
  greylistPass: "tell the greylist of a message",
  lease: "take a place",
  release: "give a place up",
} as const;
