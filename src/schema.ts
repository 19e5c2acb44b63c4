/**
 * zod for the options of plugins, with messages that say what is allowed. An entry of its own ("sallyport/schema"), so
 * that a policy without such plugins does not carry the library.
 * @module
 */
import { z } from "zod";
import { allowedWords } from "./schema/words.ts";

// Where neither a schema nor whoever uses zod besides has words of their own.
z.config({ localeError: allowedWords });

export { z };

/**
 * The options of a plugin: an object with these and no others.
 * @example
 * definePlugin("quota", options({ messages: z.int().min(1).default(500) }), ({ messages }) => ({ … }));
 */
export function options<Shape extends z.core.$ZodShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape).sort().join(", ") || "none";
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `there is no option ${issue.keys.join(", ")}; allowed are ${known}`
        : undefined,
  });
}
