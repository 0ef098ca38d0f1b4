/** What the admin reads of one kind of error. `{name}` in a text is filled from the values given to `knownError`. */
interface ErrorText {
  /** HTTP status of the answer. */
  readonly status: number;
  /** States the fact, with its values. */
  readonly message: string;
  /** The one action that helps, with the exact command. */
  readonly next: string;
}

/** The texts of one area, by code. */
export type ErrorTexts = Readonly<Record<string, ErrorText>>;
