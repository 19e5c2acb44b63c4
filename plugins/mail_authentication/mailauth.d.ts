/**
 * The part of mailauth that is used here and that the package itself does not describe.
 */
declare module "mailauth/lib/spf/spf-verify.js" {
  /** Answers with the records there are, none where there are none; what it rejects with ends the evaluation. */
  export type Resolver = (name: string, type: string) => Promise<unknown[]>;

  export interface Question {
    /** `local-part@domain`, the domain as A-labels. */
    readonly sender: string;
    readonly ip: string;
    readonly helo: string;
    /** For the macro `%{r}`. */
    readonly mta: string;
    /** To the letter of RFC 7208. */
    readonly strict: true;
    readonly resolver: Resolver;
    /** For the names that an MX or PTR answer holds. */
    readonly createSubResolver: () => Resolver;
    /** For explanations. */
    readonly expResolver: Resolver;
  }

  export interface Answer {
    readonly qualifier?: "+" | "-" | "~" | "?";
    /** The mechanism that matched. */
    readonly type?: string;
    readonly error?: "none" | "permerror" | "temperror";
    /** What is wrong, where `error` is set. */
    readonly text?: string;
    readonly explanation?: string;
  }

  /** Rejects with an error whose `spfResult` is the answer, where it ends early. */
  export function spfVerify(domain: string, question: Question): Promise<Answer | false>;
}
