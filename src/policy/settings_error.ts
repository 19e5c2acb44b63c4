/**
 * What mistakes in settings are told with.
 */
import type { TlsSettings } from "./tls_settings.ts";

/** Settings that cannot be used: one line a mistake, each saying what was given and what is allowed. */
export class SettingsError extends Error {
  readonly mistakes: readonly string[];
  /** Files that the settings name all the same, so that they can be looked at in the same run. */
  readonly files: TlsSettings | undefined;

  constructor(mistakes: readonly string[], files?: TlsSettings) {
    super(mistakes.join("\n"));
    this.name = "SettingsError";
    this.mistakes = mistakes;
    this.files = files;
  }
}
