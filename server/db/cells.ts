/** The cells of a row as SQLite gives them, and what they are in a record: what is NULL there is absent here. */
export type Cells = Readonly<Record<string, string | number | Buffer | null>>;

/** To be spread into a record. */
export function present(name: string, cell: unknown): object {
  return cell === null ? {} : { [name]: cell };
}

/** The same of a cell that holds JSON. */
export function presentJson(name: string, cell: unknown): object {
  return cell === null ? {} : { [name]: JSON.parse(cell as string) };
}

/** For a column that holds JSON or NULL. */
export function toJson(value: object | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
