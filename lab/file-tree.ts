/**
 * Plants a real file tree: a subset of this machine's own /usr chosen by the seed, and the odd things that a filesystem
 * can hold (links, empty folders, sparse files, strange names and modes).
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { seededBytes } from './seeded-bytes.ts';

const SOURCES = ['/usr/bin', '/usr/sbin', '/usr/lib', '/usr/share'];
const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Share of the tree that does not compress, as photos, archives and packages on a real disk. */
const NOISE_SHARE = 0.1;
const EPOCH_S = 1_700_000_000;

/** Fills `folder` (made here) with about `bytes` of files. Deterministic for one seed and one /usr. */
export function plantFileTree(folder: string, bytes: number, seed: number): void {
  mkdirSync(folder, { recursive: true });
  const noiseBytes = Math.floor(bytes * NOISE_SHARE);
  let left = bytes - noiseBytes;
  for (const source of candidates(seed)) {
    const stat = lstatSync(source);
    if (left < 4096) break;
    if (stat.isSymbolicLink()) {
      const target = join(folder, source);
      mkdirSync(dirname(target), { recursive: true });
      symlinkSync(readlinkSync(source), target);
    } else if (stat.size <= Math.min(left, MAX_FILE_BYTES)) {
      copy(source, join(folder, source));
      left -= stat.size;
    }
  }
  mkdirSync(join(folder, 'srv'), { recursive: true });
  // A machine with a small /usr: the rest is text that compresses as well as programs do.
  if (left > 1024 * 1024) writeFileSync(join(folder, 'srv/filler'), fillerText(left, seed));
  writeFileSync(join(folder, 'srv/noise'), seededBytes(`noise ${seed}`, noiseBytes));
  plantOddities(folder, seed);
  for (const name of ['srv/filler', 'srv/noise', 'home/user/sparse']) setTime(join(folder, name), seed);
}

/** All files and links under the sources, in an order that depends on the seed only. */
function candidates(seed: number): string[] {
  const keyOf = (path: string) => createHash('md5').update(`${seed} ${path}`).digest('hex');
  return SOURCES.flatMap((source) => [...walk(source)])
    .map((path) => ({ path, key: keyOf(path) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ path }) => path);
}

/** Not readdir's own `recursive`: that one follows links, and /usr/bin/X11 is a link to its own folder. */
function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile() || entry.isSymbolicLink()) yield path;
  }
}

function copy(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
  const stat = statSync(source);
  chmodSync(target, stat.mode & 0o7777);
  utimesSync(target, stat.atime, stat.mtime);
}

function setTime(path: string, seed: number): void {
  if (existsSync(path)) utimesSync(path, EPOCH_S + seed, EPOCH_S + seed);
}

function fillerText(bytes: number, seed: number): Buffer {
  // 48 of every 96 bytes repeat: zstd halves it.
  const out = seededBytes(`filler ${seed}`, bytes);
  for (let offset = 0; offset + 96 <= bytes; offset += 96) out.fill('fleetcast ', offset, offset + 48);
  return out;
}

function plantOddities(folder: string, seed: number): void {
  const at = (name: string) => join(folder, name);
  for (const name of ['etc', 'home/user', 'tmp', 'var/empty', 'boot']) mkdirSync(at(name), { recursive: true });
  const write = (name: string, content: string, mode = 0o644) => {
    writeFileSync(at(name), content);
    chmodSync(at(name), mode);
    setTime(at(name), seed);
  };
  write('etc/hostname', `golden-${seed}\n`);
  write('etc/shadow', 'root:*:19700:0:99999:7:::\n', 0o640);
  write('home/user/name with blanks and ümläuts.txt', 'read me\n');
  write('home/user/empty', '');
  write('home/user/setuid', '#!/bin/sh\n', 0o4755);
  write('home/user/sparse', 'start');
  truncateSync(at('home/user/sparse'), 64 * 1024 * 1024);
  linkSync(at('etc/hostname'), at('home/user/hard link'));
  symlinkSync('../../etc/hostname', at('home/user/soft link'));
  symlinkSync('nowhere', at('home/user/dangling link'));
}
