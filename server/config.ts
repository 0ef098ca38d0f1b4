/**
 * What an admin may set: one schema from which the checks, `config show` and docs/config.md come.
 * In the TOML file a key is written in snake_case inside its section: `[network] agent_port = 8470`.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { DEFAULT_CHUNK_BYTES, isChunkSize, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { isSameNetwork, parseAddress, parseNetwork } from './boot/dhcp/address.ts';
import { interfaceTable, subnetTable } from './subnet-config.ts';

/** Read when no `--config` is given and it is there. */
export const DEFAULT_CONFIG_PATH = '/etc/fleetcast/fleetcast.toml';

const MULTICAST_ADDRESS = '^(22[4-9]|23[0-9])(\\.(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})){3}$';

/** Whole MACs and beginnings of them, such as a maker's first three bytes. */
const MAC_BEGINNING = '^([0-9a-f]{2}:){2}[0-9a-f]{2}(:[0-9a-f]{2}){0,3}$';

export const configSchema = Type.Object({
  daemon: Type.Object({
    dataDir: path('/var/lib/fleetcast', 'Folder of the database and of the image store.'),
    socket: path('/run/fleetcast/admin.sock', 'Unix socket of the admin API: who may open it may do everything.'),
    logLevel: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
      default: 'info',
      description: 'How much the daemon logs on stderr.',
    }),
  }),
  network: Type.Object({
    interface: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 15,
        unit: 'name',
        range: 'the name of an interface',
        unset: 'the only interface that has an IPv4 address',
        description: 'Network interface of the deployment network.',
      }),
    ),
    agentPort: integer(
      8470,
      1,
      65535,
      'TCP port',
      'Where hosts ask for their boot target and agents talk to the daemon.',
    ),
  }),
  session: Type.Object({
    gatherDeadlineS: integer(
      900,
      10,
      86_400,
      's',
      'A host that was called and has not come after this time has failed.',
    ),
    lostAfterS: integer(30, 5, 3600, 's', 'A host that says nothing for this long is shown as lost.'),
    lostFailS: integer(300, 10, 86_400, 's', 'A host that says nothing for this long has failed.'),
    verifyTries: integer(3, 1, 10, 'times', 'Repairs of a disk that reads back wrong before its host has failed.'),
    wakeIntervalS: integer(20, 1, 3600, 's', 'Time between two magic packets to a host that sleeps.'),
    wakeRepeats: integer(
      3,
      1,
      10,
      'packets',
      'Copies of every magic packet, 0.1 s apart: nobody says that one was lost.',
    ),
    bootTokenS: integer(600, 30, 86_400, 's', 'A boot token is good for this long: the slowest boot of a host.'),
  }),
  schedule: Type.Object({
    hooksDir: path('/etc/fleetcast/hooks', 'Folder of the programs that a schedule may ask whether a host is idle.'),
    hookLimitS: integer(30, 1, 600, 's', 'A hook that has not answered after this time counts as: not idle.'),
  }),
  cast: Type.Object({
    portFirst: evenPort(9000, 'First UDP port of casts; a cast takes this one and the next.'),
    portLast: evenPort(9398, 'Last UDP port base of casts.'),
    rdvAddress: multicastAddress('239.192.77.1', 'Multicast group in which the receivers find the sender.'),
    dataAddressBase: multicastAddress('239.192.78.0', 'Multicast groups of the data are counted up from here.'),
    maxMbit: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 100_000,
        unit: 'Mbit/s',
        unset: 'as fast as the network',
        description: 'Cap of every cast.',
      }),
    ),
    interfaceMbit: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 100_000,
        unit: 'Mbit/s',
        unset: 'as fast as the network',
        description: 'Cap of all casts together: those that run at once share it by their --weight.',
      }),
    ),
    startTimeoutS: integer(30, 5, 600, 's', 'A receiver that hears no cast begin for this long gives up.'),
    receiveTimeoutS: integer(30, 5, 600, 's', 'A receiver that hears nothing in mid-cast for this long gives up.'),
    retriesUntilDrop: integer(
      11,
      5,
      1000,
      'times',
      'Unanswered requests until udp-sender drops a dead host: it holds the others up for about this less 9, in s.',
    ),
    probePackets: integer(
      200,
      0,
      2000,
      'packets',
      'Sent before a pass to find hosts that multicast does not reach; 0: no probe.',
    ),
    probeLossPercent: integer(20, 1, 99, '%', 'A host that loses more of the probe takes HTTP instead of the cast.'),
    parkQueuePercent: integer(
      50,
      10,
      100,
      '%',
      'A host whose receive buffer is this full while the others’ are empty may be parked.',
    ),
    parkDelayPercent: integer(
      3,
      0,
      1000,
      '%',
      'It is parked when it would hold the others back for more than this part of the cast.',
    ),
    ttl: integer(1, 1, 64, 'hops', 'How many routers a cast may cross, plus one.'),
  }),
  capture: Type.Object({
    chunkBytes: integer(
      DEFAULT_CHUNK_BYTES,
      MIN_CHUNK_BYTES,
      MAX_CHUNK_BYTES,
      'bytes, a power of two',
      'Size of the chunks of a new image.',
    ),
    zstdLevel: integer(3, 1, 19, 'level', 'zstd level of captured chunks.'),
  }),
  boot: Type.Object({
    kernelArgs: Type.String({
      default: 'quiet',
      maxLength: 500,
      pattern: '^[ -~]*$',
      unit: 'text',
      range: 'words of the kernel command line',
      description: 'Added to the kernel command line of the agent, such as console=ttyS0.',
    }),
    debugShell: Type.Enum(['off', 'on'], {
      default: 'off',
      description: 'A root shell on the second console of hosts in the agent, without a password.',
    }),
    dhcp: Type.Enum(['off', 'proxy', 'full', 'external'], {
      default: 'proxy',
      description:
        'proxy: tells machines what to boot, beside the DHCP server of the network; full: gives addresses too; external: that server does it all, see fleetcast dhcp external.',
    }),
    dhcpClients: Type.Enum(['registered', 'all'], {
      default: 'registered',
      description: 'Which machines DHCP answers: approved hosts (and boot.dhcp_allow) alone, or every one.',
    }),
    ipv6Ra: Type.Enum(['on', 'off'], {
      default: 'on',
      description:
        'Tells a booting iPXE, and nobody else, that there is no IPv6 router, so that it does not wait for one.',
    }),
    dhcpAllow: Type.Array(Type.String({ pattern: MAC_BEGINNING }), {
      default: [],
      maxItems: 1000,
      range: 'a list of MACs or their beginnings, such as "52:54:00"',
      description: 'Machines that DHCP answers though they are not approved.',
    }),
    tftp: Type.Enum(['off', 'on'], {
      default: 'on',
      description: 'Serves the boot loaders over TFTP, which BIOS and UEFI PXE need.',
    }),
    subnet: Type.Array(subnetTable),
    interface: Type.Array(interfaceTable),
  }),
});
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

function integer(normal: number, minimum: number, maximum: number, unit: string, description: string) {
  return Type.Integer({ default: normal, minimum, maximum, unit, description });
}

/** udpcast takes an even port base P for the receivers and P + 1 for the sender. */
function evenPort(normal: number, description: string) {
  return Type.Integer({ default: normal, minimum: 1024, maximum: 65534, multipleOf: 2, unit: 'UDP port', description });
}

function path(normal: string, description: string) {
  return Type.String({ default: normal, minLength: 1, unit: 'path', range: 'a path', description });
}

function multicastAddress(normal: string, description: string) {
  const range = 'an IPv4 multicast address';
  return Type.String({ default: normal, pattern: MULTICAST_ADDRESS, unit: 'address', range, description });
}
