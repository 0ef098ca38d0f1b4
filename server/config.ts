/**
 * What an admin has set: the file and the flags, checked against the one schema (config-schema.ts).
 * In the TOML file a key is written in snake_case inside its section: `[network] agent_port = 8470`.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { isChunkSize } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { isSameNetwork, parseAddress, parseNetwork } from './boot/dhcp/address.ts';
import { configSchema } from './config-schema.ts';

/** Read when no `--config` is given and it is there. */
export const DEFAULT_CONFIG_PATH = '/etc/fleetcast/fleetcast.toml';

export type Config = Static<typeof configSchema>;

/** Values from the command line; they win over the file. */
export interface ConfigFlags {
  readonly socket?: string;
  readonly dataDir?: string;
  readonly interface?: string;
  readonly agentPort?: number;
  readonly logLevel?: string;
}

/** A key of the schema. */
export interface Leaf {
  readonly section: keyof Config;
  /** It belongs to each entry of this table of the section: `subnet` of `[[boot.subnet]]`. */
  readonly table?: string;
  readonly name: string;
  readonly key: string;
  readonly schema: LeafSchema;
}

/** The words of JSON Schema that the keys above use, and our own `unit` and `unset`. */
export interface LeafSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly multipleOf?: number;
  readonly range?: string;
  readonly unit?: string;
  readonly unset?: string;
  readonly default?: ConfigValue;
  readonly description: string;
}

export type ConfigValue = string | number | readonly string[];
type Values = Record<string, Record<string, unknown>>;

/** Every key, in the order of the schema; those of tables once. */
export const leaves: readonly Leaf[] = Object.entries(configSchema.properties).flatMap(([section, { properties }]) =>
  Object.entries(properties as Record<string, TSchema>).flatMap(([name, schema]) =>
    leavesOf(section as keyof Config, name, schema),
  ),
);

/**
 * The config of the file (all defaults when `path` is not given and the default file is absent) under the flags.
 * Throws CONFIG_UNREADABLE, CONFIG_UNKNOWN_KEY, CONFIG_BAD_VALUE.
 */
export function loadConfig(path: string | undefined, flags: ConfigFlags = {}): Config {
  return withFlags(readConfigFile(path), flags);
}

/** Reads TOML text; `path` only names it in errors. */
export function parseConfig(text: string, path: string): Config {
  let found: unknown;
  try {
    found = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const problem = error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '');
    throw knownError('CONFIG_UNREADABLE', { path, reason: `line ${error.line}: ${problem}` }, { cause: error });
  }
  const values: Values = defaultValues();
  for (const [section, keys] of Object.entries(found as Record<string, unknown>)) {
    const isSection = typeof keys === 'object' && keys !== null && !Array.isArray(keys);
    if (!Object.hasOwn(values, section)) {
      throw unknownKey([section, ...(isSection ? Object.keys(keys).slice(0, 1) : [])].join('.'), path);
    }
    if (!isSection) {
      throw badValue(section, keys, path, `must be a section: [${section}]`);
    }
    for (const [name, value] of Object.entries(keys)) {
      const isTable = leaves.some((one) => one.section === section && one.table === name);
      if (isTable) values[section]![name] = readTable(section, name, value, path);
      else setValue(values[section]!, findLeaf(`${section}.${name}`, path), value, `${section}.${name}`, path);
    }
  }
  return checkTogether(values, path);
}

/** All keys at their defaults. */
export function defaultConfig(): Config {
  return defaultValues() as Config;
}

function readConfigFile(path: string | undefined): Config {
  let text: string;
  try {
    text = readFileSync(path ?? DEFAULT_CONFIG_PATH, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (path === undefined && code === 'ENOENT') return defaultConfig();
    const reason = code === 'ENOENT' ? 'it does not exist' : message;
    throw knownError('CONFIG_UNREADABLE', { path: path ?? DEFAULT_CONFIG_PATH, reason }, { cause: error });
  }
  return parseConfig(text, path ?? DEFAULT_CONFIG_PATH);
}

const FLAGS_PLACE = 'the command line';

function withFlags(config: Config, flags: ConfigFlags): Config {
  const values = structuredClone(config) as Values;
  for (const [name, value] of Object.entries(flags)) {
    const leaf = leaves.find((one) => one.name === name && one.table === undefined)!;
    const flag = `--${toSnake(name).replaceAll('_', '-')}`;
    if (value !== undefined) setValue(values[leaf.section]!, leaf, value, flag, FLAGS_PLACE);
  }
  return checkTogether(values, FLAGS_PLACE);
}

/** Every entry of a table such as `[[boot.subnet]]`. */
function readTable(section: string, table: string, found: unknown, path: string): Record<string, unknown>[] {
  const key = `${section}.${table}`;
  if (!Array.isArray(found)) throw badValue(key, found, path, `must be a table: [[${key}]]`);
  return found.map((entry: unknown) => {
    const isTable = typeof entry === 'object' && entry !== null && !Array.isArray(entry);
    if (!isTable) throw badValue(key, entry, path, `must be a table: [[${key}]]`);
    const all = leaves.filter((leaf) => leaf.section === section && leaf.table === table);
    const values: Record<string, unknown> = {};
    for (const { name, schema } of all)
      if (schema.default !== undefined) values[name] = structuredClone(schema.default);
    for (const [name, value] of Object.entries(entry)) {
      setValue(values, findLeaf(`${key}.${name}`, path), value, `${key}.${name}`, path);
    }
    const missing = all.find(({ name, schema }) => schema.unset === 'must be set' && values[name] === undefined);
    if (missing !== undefined) throw badValue(missing.key, undefined, path, 'is needed in every one of these tables');
    return values;
  });
}

function findLeaf(key: string, path: string): Leaf {
  const leaf = leaves.find((one) => one.key === key);
  if (leaf === undefined) throw unknownKey(key, path);
  return leaf;
}

function setValue(values: Record<string, unknown>, leaf: Leaf, value: unknown, shownKey: string, path: string): void {
  if (!Value.Check(leaf.schema as TSchema, value)) {
    throw badValue(shownKey, value, path, `must be ${rangeOf(leaf.schema)}${unitOf(leaf.schema)}`);
  }
  values[leaf.name] = leaf.schema.unit === 'path' ? resolve(value as string) : value;
}

/** What the schema of one key cannot say. */
function checkTogether(values: Values, path: string): Config {
  const config = values as Config;
  const { portFirst, portLast } = config.cast;
  if (portLast < portFirst) {
    throw badValue('cast.port_last', portLast, path, `must not be below cast.port_first, ${portFirst}`);
  }
  const named = config.cast.interface.map(({ name }) => name);
  const again = named.find((name, i) => named.indexOf(name) !== i);
  if (again !== undefined) throw badValue('cast.interface.name', again, path, 'is named twice');
  if (!isChunkSize(config.capture.chunkBytes)) {
    throw badValue('capture.chunk_bytes', config.capture.chunkBytes, path, 'must be a power of two');
  }
  if (config.session.lostFailS < config.session.lostAfterS) {
    const problem = `must not be below session.lost_after_s, ${config.session.lostAfterS}`;
    throw badValue('session.lost_fail_s', config.session.lostFailS, path, problem);
  }
  checkBoot(config, path);
  return config;
}

function checkBoot({ boot, network }: Config, path: string): void {
  const ranges = boot.subnet.map((subnet) => ({ ...subnet, ...parseNetwork(subnet.network) }));
  for (const { network: text, address, netmask, poolFirst, poolLast } of ranges) {
    for (const [key, value] of [
      ['boot.subnet.pool_first', poolFirst],
      ['boot.subnet.pool_last', poolLast],
    ] as const) {
      const isInside = isSameNetwork(parseAddress(value), address, netmask);
      if (!isInside) throw badValue(key, value, path, `must lie in its network, ${text}`);
    }
    const isUpward = parseAddress(poolFirst) <= parseAddress(poolLast);
    if (!isUpward)
      throw badValue('boot.subnet.pool_last', poolLast, path, `must not be below pool_first, ${poolFirst}`);
  }
  for (const [i, one] of ranges.entries()) {
    const other = ranges.slice(0, i).find(({ address, netmask }) => {
      return isSameNetwork(one.address, address, (one.netmask & netmask) >>> 0);
    });
    if (other !== undefined) throw badValue('boot.subnet.network', one.network, path, `overlaps with ${other.network}`);
  }
  const names = boot.interface.map(({ name }) => name);
  const twice = names.find((name, i) => name === network.interface || names.indexOf(name) !== i);
  if (twice !== undefined) throw badValue('boot.interface.name', twice, path, 'is named twice');
  const isFull = [boot, ...boot.interface].some(({ dhcp }) => dhcp === 'full');
  if (isFull && ranges.length === 0) throw badValue('boot.dhcp', 'full', path, 'needs a table [[boot.subnet]]');
}

function defaultValues(): Values {
  const values: Values = {};
  for (const { section, table, name, schema } of leaves) {
    values[section] ??= {};
    if (table !== undefined) values[section][table] = [];
    else if (schema.default !== undefined) values[section][name] = structuredClone(schema.default);
  }
  return values;
}

/** One leaf, or those of a table. */
function leavesOf(section: keyof Config, name: string, schema: TSchema): Leaf[] {
  const { properties } = ((schema as { items?: TSchema }).items ?? {}) as { properties?: Record<string, TSchema> };
  if (properties === undefined) {
    return [{ section, name, key: `${section}.${toSnake(name)}`, schema: schema as unknown as LeafSchema }];
  }
  return Object.entries(properties).map(([key, one]) => ({
    section,
    table: name,
    name: key,
    key: `${section}.${name}.${toSnake(key)}`,
    schema: one as unknown as LeafSchema,
  }));
}

function unknownKey(key: string, path: string): Error {
  return knownError('CONFIG_UNKNOWN_KEY', { key, path, nearest: nearestKey(key) });
}

function badValue(key: string, value: unknown, path: string, problem: string): Error {
  return knownError('CONFIG_BAD_VALUE', {
    key,
    value: value === undefined ? 'nothing' : JSON.stringify(value),
    path,
    problem,
  });
}

/** The known key that was most likely meant; a right name in the wrong section is nearest of all. */
function nearestKey(key: string): string {
  const lastOf = (name: string) => name.slice(name.lastIndexOf('.') + 1);
  const score = (known: string) => Math.min(editDistance(key, known), editDistance(lastOf(key), lastOf(known)) + 0.5);
  return leaves.map((leaf) => leaf.key).reduce((best, known) => (score(known) < score(best) ? known : best));
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** What a key takes, in words. */
export function rangeOf(schema: LeafSchema): string {
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`;
  if (schema.range !== undefined) return schema.range;
  const kind = schema.type === 'integer' ? 'a whole number' : 'a number';
  const step = schema.multipleOf === 2 ? 'an even number' : kind;
  return `${step} from ${schema.minimum} to ${schema.maximum}`;
}

function unitOf(schema: LeafSchema): string {
  return schema.unit === undefined || schema.range !== undefined ? '' : ` (${schema.unit})`;
}

function toSnake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
