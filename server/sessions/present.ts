/** What is known of these facts: the record without its undefined members. */
export function present<Facts extends object>(facts: Facts): { [Key in keyof Facts]?: NonNullable<Facts[Key]> } {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as { [Key in keyof Facts]?: NonNullable<Facts[Key]> };
}
