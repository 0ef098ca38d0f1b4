/** The config for people: `config show` and docs/config.md, from the same schema that checks it. */
import { type Config, DEFAULT_CONFIG_PATH, defaultConfig, leaves, rangeOf } from './config.ts';

/** One key for `config show` and docs/config.md. */
export interface ConfigKey {
  /** As in the TOML file: `network.agent_port`. */
  readonly key: string;
  /** Absent: not set, and `unset` says what then holds. */
  readonly value?: string | number;
  readonly default?: string | number;
  readonly unset?: string;
  readonly unit: string;
  readonly range: string;
  readonly help: string;
}

/** Every key with its value, in the order of the schema. */
export function describeConfig(config: Config): ConfigKey[] {
  return leaves.map(({ section, name, key, schema }) => {
    const value = (config[section] as Record<string, string | number | undefined>)[name];
    return {
      key,
      ...(value === undefined ? {} : { value }),
      ...(schema.default === undefined ? {} : { default: schema.default }),
      ...(schema.unset === undefined ? {} : { unset: schema.unset }),
      unit: schema.unit ?? '',
      range: rangeOf(schema),
      help: schema.description,
    };
  });
}

/** The config as a TOML file that says everything; reading it back gives the same config. */
export function renderConfig(config: Config): string {
  const lines: string[] = [];
  let section = '';
  for (const { key, value, default: normal, unset, unit, range, help } of describeConfig(config)) {
    const [head, name] = key.split('.') as [string, string];
    if (head !== section) lines.push(...(section === '' ? [] : ['']), `[${head}]`);
    section = head;
    const usual = normal === undefined ? `default: ${unset}` : `default ${JSON.stringify(normal)}`;
    const shownUnit = unit === '' || range.includes(unit) ? '' : ` (${unit})`;
    lines.push(`# ${help}`, `#   ${range}${shownUnit}; ${usual}`);
    lines.push(value === undefined ? `# ${name} =` : `${name} = ${JSON.stringify(value)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** docs/config.md; a test compares. */
export function renderConfigPage(): string {
  const rows = describeConfig(defaultConfig()).map(
    ({ key, default: normal, unset, unit, range, help }) =>
      `| \`${key}\` | ${normal === undefined ? unset : `\`${normal}\``} | ${unit} | ${range} | ${help} |`,
  );
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
    '`fleetcast config check` checks a file, `fleetcast config show` prints every key with its present value.',
    'The flags `--socket`, `--data-dir`, `--interface`, `--agent-port` and `--log-level` of `serve` win over the file.',
    '',
    '| key | default | unit | range | what it does |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    'This page is made from the schema in server/config.ts by `bin/node server/main.ts config page`.',
    '',
  ].join('\n');
}
