/**
 * A rule about HELO: whoever greets us with one of our own names is not who they say they are.
 */
import { definePlugin, type PluginFactory, reject, utf8Text } from "sallyport";

/** Which names are ours. */
export interface HeloRuleOptions {
  /** Domain names and address literals, as in `["mx.example.org", "[192.0.2.25]"]`; case does not matter. */
  readonly reserved: readonly string[];
}

/** Refuses clients that greet with one of our names. */
export const heloRule: PluginFactory<HeloRuleOptions> = definePlugin(
  "helo-rule",
  ({ reserved }: HeloRuleOptions) => {
    const ours = new Set(reserved.map((name) => name.toLowerCase()));
    return {
      // A fault of this rule is no reason to refuse mail.
      onError: "pass",
      helo({ helo }) {
        // What the client wrote holds one character per byte: it is decoded before it is compared.
        if (ours.has(utf8Text(helo).toLowerCase())) return reject("5.7.1", "That is our own name, not yours");
      },
    };
  },
);
