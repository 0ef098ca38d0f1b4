/** The text in which LVM keeps the metadata of a group (lvm.conf(5), the syntax): read into a tree, and written again. Pure. */

export type ConfigValue = string | number | readonly (string | number)[] | ConfigSection;
export interface ConfigSection {
  readonly [name: string]: ConfigValue;
}

export function isSection(value: ConfigValue | undefined): value is ConfigSection {
  return typeof value === 'object' && !Array.isArray(value);
}

/** The section of that name within; an empty one where there is none. */
export function sectionOf(section: ConfigSection, name: string): ConfigSection {
  const value = section[name];
  return isSection(value) ? value : {};
}

/** lvm.conf(5), the syntax: `name { … }`, `name = value`, lists in brackets, comments from `#`. Undefined: not that. */
export function parseConfig(text: string): ConfigSection | undefined {
  const tokens = text
    .match(/"(?:[^"\\]|\\.)*"|#[^\n]*|[{}[\],=]|[^\s{}[\],="#]+/g)
    ?.filter((one) => !one.startsWith('#'));
  if (tokens === undefined) return undefined;
  let at = 0;
  const scalar = (token: string): string | number =>
    token.startsWith('"') ? token.slice(1, -1).replace(/\\(.)/g, '$1') : Number(token);
  const section = (isRoot: boolean): ConfigSection | undefined => {
    const found: Record<string, ConfigValue> = Object.create(null);
    while (at < tokens.length) {
      const name = tokens[at++]!;
      if (name === '}') return isRoot ? undefined : found;
      const sign = tokens[at++];
      const value = sign === '{' ? section(false) : sign === '=' ? readValue() : undefined;
      if (value === undefined) return undefined;
      found[name] = value;
    }
    return isRoot ? found : undefined;
  };
  const readValue = (): ConfigValue | undefined => {
    const token = tokens[at++];
    if (token !== '[') return token === undefined || '{}],='.includes(token) ? undefined : scalar(token);
    const list: (string | number)[] = [];
    for (;;) {
      const item = tokens[at++];
      if (item === ']') return list;
      if (item === undefined || '{}[='.includes(item)) return undefined;
      if (item !== ',') list.push(scalar(item));
    }
  };
  return section(true);
}

/** The text of a tree; comments are gone. Undefined: a number or string in it cannot be written so that it is read again. */
export function formatConfig(section: ConfigSection): string | undefined {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(section)) {
    if (isSection(value)) {
      const inner = formatConfig(value);
      if (inner === undefined) return undefined;
      lines.push(`${name} {`, inner, '}');
      continue;
    }
    const items = Array.isArray(value) ? value.map(formatScalar) : [formatScalar(value as string | number)];
    if (items.includes(undefined)) return undefined;
    lines.push(`${name} = ${Array.isArray(value) ? `[${items.join(', ')}]` : items[0]}`);
  }
  return lines.join('\n');
}

function formatScalar(value: string | number): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  return value.includes('\n') ? undefined : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
