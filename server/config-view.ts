/** The config for people: `config show` and docs/config.md, from the same schema that checks it. */
import { type Config, type ConfigValue, DEFAULT_CONFIG_PATH, type Leaf, leaves, rangeOf } from './config.ts';

/** One key for `config show` and docs/config.md. */
export interface ConfigKey {
  /** As in the TOML file: `network.agent_port`; of a table's second entry `boot.subnet[1].network`. */
  readonly key: string;
  /** Absent: not set, and `unset` says what then holds. */
  readonly value?: ConfigValue;
  readonly default?: ConfigValue;
  readonly unset?: string;
  readonly unit: string;
  readonly range: string;
  readonly help: string;
}

/** Every key with its value, in the order of the schema; those of tables once an entry. */
export function describeConfig(config: Config): ConfigKey[] {
  return leaves.flatMap((leaf) => {
    const values = config[leaf.section] as Record<string, unknown>;
    if (leaf.table === undefined) return [describe(leaf, leaf.key, values[leaf.name])];
    const entries = values[leaf.table] as Record<string, unknown>[];
    return entries.map((entry, i) => {
      return describe(leaf, leaf.key.replace(`.${leaf.table}.`, `.${leaf.table}[${i}].`), entry[leaf.name]);
    });
  });
}

/** The config as a TOML file that says everything; reading it back gives the same config. */
export function renderConfig(config: Config): string {
  const lines: string[] = [];
  for (const section of new Set(leaves.map((leaf) => leaf.section))) {
    const all = leaves.filter((leaf) => leaf.section === section);
    const values = config[section] as Record<string, unknown>;
    const plain = all.filter(({ table }) => table === undefined);
    lines.push('', `[${section}]`, ...plain.flatMap((leaf) => renderKey(leaf, values[leaf.name])));
    for (const table of new Set(all.flatMap((leaf) => leaf.table ?? []))) {
      const keys = all.filter((leaf) => leaf.table === table);
      const entries = values[table] as Record<string, unknown>[];
      for (const entry of entries) {
        lines.push('', `[[${section}.${table}]]`, ...keys.flatMap((leaf) => renderKey(leaf, entry[leaf.name])));
      }
      if (entries.length === 0) {
        lines.push('', `# [[${section}.${table}]], any number of times`);
        lines.push(...keys.flatMap((leaf) => renderKey(leaf, undefined)));
      }
    }
  }
  return `${lines.slice(1).join('\n')}\n`;
}

function renderKey(leaf: Leaf, value: unknown): string[] {
  const { default: normal, unset, unit, range, help } = describe(leaf, leaf.key, value);
  const usual = normal === undefined ? `default: ${unset}` : `default ${JSON.stringify(normal)}`;
  const shownUnit = unit === '' || range.includes(unit) ? '' : ` (${unit})`;
  const name = leaf.key.slice(leaf.key.lastIndexOf('.') + 1);
  const line = value === undefined ? `# ${name} =` : `${name} = ${JSON.stringify(value)}`;
  return [`# ${help}`, `#   ${range}${shownUnit}; ${usual}`, line];
}

function describe({ schema }: Leaf, key: string, value: unknown): ConfigKey {
  return {
    key,
    ...(value === undefined ? {} : { value: value as ConfigValue }),
    ...(schema.default === undefined ? {} : { default: schema.default }),
    ...(schema.unset === undefined ? {} : { unset: schema.unset }),
    unit: schema.unit ?? '',
    range: rangeOf(schema),
    help: schema.description,
  };
}

/** docs/config.md; a test compares. */
export function renderConfigPage(): string {
  const rows = leaves.map((leaf) => {
    const { key, default: normal, unset, unit, range, help } = describe(leaf, leaf.key, undefined);
    const isList = Array.isArray(normal);
    const usual = normal === undefined ? unset : `\`${isList ? JSON.stringify(normal) : normal}\``;
    return `| \`${key}\` | ${usual} | ${unit} | ${range} | ${help} |`;
  });
  return [
    '# The config file',
    '',
    `\`fleetcast serve --config FILE\` reads one TOML file; without the flag it is \`${DEFAULT_CONFIG_PATH}\`, if that is there.`,
    'Every key has a default, so the file may be empty or absent. A key is written inside its section: `network.agent_port` is',
    '',
    '```toml',
    '[network]',
    'agent_port = 8470',
    '```',
    '',
    'A key of `boot.subnet`, `boot.interface` or `cast.interface` stands in a table of that name, which may come any number of times:',
    '',
    '```toml',
    '[[boot.subnet]]',
    'network = "10.77.0.0/24"',
    'pool_first = "10.77.0.100"',
    'pool_last = "10.77.0.200"',
    'dns = ["10.77.0.2", "10.77.0.3"]',
    '```',
    '',
    '`fleetcast config check` checks a file, `fleetcast config show` prints every key with its present value.',
    'The flags `--socket`, `--data-dir`, `--interface`, `--agent-port` and `--log-level` of `serve` win over the file.',
    '',
    '| key | default | unit | range | what it does |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    'This page is made from the schema in server/config-schema.ts by `bin/node server/main.ts config page`.',
    '',
  ].join('\n');
}
