/** Who may import whom: docs/architecture.md, "Where things are". */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');

/** Folder → folders that it may import besides itself. Folders of server/ count by themselves. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  system: ['protocol'],
  'client-agent': ['protocol', 'system'],
  cli: ['protocol', 'system'],
  web: ['protocol', 'system'],
  lab: ['protocol', 'system', 'pxe-assets'],
  'pxe-assets': ['protocol', 'system'],
  'server/db': ['protocol', 'system'],
  'server/boot': ['protocol', 'system', 'server/db'],
  'server/images': ['protocol', 'system', 'server/db'],
  'server/inventory': ['protocol', 'system', 'server/db'],
  'server/transfer': ['protocol', 'system', 'server/db', 'server/images'],
  'server/sessions': [
    ...['protocol', 'system', 'server/db', 'server/images', 'server/inventory', 'server/transfer'],
    'server', // config.ts: the type of the settings
  ],
  'server/schedules': [
    ...['protocol', 'system', 'server/db', 'server/images', 'server/inventory', 'server/sessions'],
    'server', // config.ts: the type of the settings
  ],
  'server/doctor': [
    ...['protocol', 'system', 'server/db', 'server/boot', 'server/images', 'server/inventory', 'server/transfer'],
    ...['server/sessions', 'server'], // server: the settings, and the deployment network
  ],
  'server/http': [
    ...['protocol', 'system', 'server/db', 'server/boot', 'server/images', 'server/inventory', 'server/transfer'],
    ...['server/sessions', 'server/schedules', 'server/doctor', 'server'],
  ],
  // main.ts and what else lies in server/ itself.
  server: [
    ...['protocol', 'system', 'server/db', 'server/boot', 'server/images', 'server/inventory', 'server/transfer'],
    ...['server/sessions', 'server/schedules', 'server/doctor', 'server/http'],
  ],
};

/** `#name/` of package.json → folder. */
const aliases: Readonly<Record<string, string>> = {
  '#protocol': 'protocol',
  '#system': 'system',
  '#server': 'server',
  '#agent': 'client-agent',
  '#cli': 'cli',
  '#lab': 'lab',
  '#pxe-assets': 'pxe-assets',
  '#bench': 'bench',
  '#test': 'test',
};

interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** The imported file, from the root; undefined for a package or a part of Node. */
  readonly target: string | undefined;
}

const imports = Object.keys(allowed)
  .map((folder) => folder.split('/')[0]!)
  .filter((folder, i, all) => all.indexOf(folder) === i)
  .flatMap((folder) => sourceFiles(join(ROOT, folder)))
  .flatMap(readImports);

test('a folder imports only what it may', () => {
  const broken = imports
    .filter(({ target }) => target !== undefined)
    .filter(({ file, target }) => {
      const [from, to] = [folderOf(file), folderOf(target!)];
      return from !== to && !(allowed[from] ?? []).includes(to);
    })
    .map(({ file, line, specifier }) => `${file}:${line} imports ${specifier}`);
  assert.deepEqual(broken, []);
});

test('only server/config.ts is imported from the top of server/', () => {
  const broken = imports
    .filter(({ file, target }) => target !== undefined && folderOf(target) === 'server' && folderOf(file) !== 'server')
    .filter(({ target }) => !['server/config.ts', 'server/network.ts', 'server/version.ts'].includes(target!))
    .map(({ file, line, specifier }) => `${file}:${line} imports ${specifier}`);
  assert.deepEqual(broken, []);
});

test('top-level folders are crossed by # imports only, and # is not used inside one', () => {
  const broken = imports
    .filter(({ target }) => target !== undefined)
    .filter(({ file, specifier, target }) => {
      const crosses = topOf(file) !== topOf(target!);
      return crosses !== specifier.startsWith('#');
    })
    .map(({ file, line, specifier }) => `${file}:${line} imports ${specifier}`);
  assert.deepEqual(broken, []);
});

test('every imported file exists and has its extension written out', () => {
  const broken = imports
    .filter(({ target }) => target !== undefined)
    .filter(({ target }) => !/\.(ts|json)$/.test(target!) || !isFile(join(ROOT, target!)))
    .map(({ file, line, specifier }) => `${file}:${line} imports ${specifier}`);
  assert.deepEqual(broken, []);
});

function sourceFiles(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // web/ has no source yet
    throw error;
  }
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name));
}

function readImports(path: string): Import[] {
  const text = readFileSync(path, 'utf8');
  const file = relative(ROOT, path);
  const found: Import[] = [];
  // `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`, `new Worker(new URL('x', …))`. A file that is started as a program is not imported.
  const pattern = /(?:\bfrom\s*|^\s*import\s*|\bimport\(\s*|\bnew Worker\(\s*new URL\(\s*)'([^'\n]+)'/gm;
  for (const match of text.matchAll(pattern)) {
    const specifier = match[1]!;
    if (isInComment(text, match.index)) continue;
    const line = text.slice(0, match.index).split('\n').length;
    found.push({ file, line, specifier, target: targetOf(path, specifier) });
  }
  return found;
}

function isInComment(text: string, index: number): boolean {
  const line = text.slice(text.lastIndexOf('\n', index) + 1, index).trim();
  return line.startsWith('*') || line.startsWith('//') || line.startsWith('/*');
}

function targetOf(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return relative(ROOT, resolve(dirname(path), specifier));
  const [alias, ...rest] = specifier.split('/');
  const folder = aliases[alias!];
  return folder === undefined ? undefined : join(folder, ...rest);
}

/** `server/images` for a file below it, `server` for one directly in server/, else the top-level folder. */
function folderOf(file: string): string {
  const parts = file.split('/');
  return parts[0] === 'server' && parts.length > 2 ? `server/${parts[1]}` : parts[0]!;
}

function topOf(file: string): string {
  return file.split('/')[0]!;
}

function isFile(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
