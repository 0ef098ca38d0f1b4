/** Runs the program that fits one volume: the tools of filesystems, and the code that captures, are the agent's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { KnownError, knownError } from '#protocol/errors.ts';
import { decodeManifest, type Manifest } from '#protocol/manifest.ts';
import { type VolumeJob, volumeFailureSchema } from '#protocol/volume-job.ts';
import type { Intake } from './intake.ts';

const PROGRAM = join(import.meta.dirname, '../../client-agent/fit-volume.ts');
/** Of its stderr: the last line says why it failed. */
const KEPT_BYTES = 64 * 1024;

/** The filesystem needs more room than the job gives it. */
export class VolumeTooSmall extends Error {
  readonly leastBytes: number;

  constructor(leastBytes: number) {
    super(`the volume needs ${leastBytes} bytes`);
    this.leastBytes = leastBytes;
  }
}

/** The program in a mount namespace of its own: what it has mounted is gone when it is, however it ends. */
function fitterArgv(): string[] {
  return ['unshare', '--mount', '--propagation', 'private', process.execPath, PROGRAM];
}

/**
 * Fits a volume; its new chunks go into the intake. Returns the manifest of the volume, as of a disk without a table.
 * Throws VolumeTooSmall, SHRINK_FAILED, STORE_FULL and what the capture of a volume throws; AbortError when the signal fires.
 */
export async function fitVolume(job: VolumeJob, intake: Pick<Intake, 'write'>, signal: AbortSignal): Promise<Manifest> {
  const [command, ...args] = fitterArgv() as [string, ...string[]];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const abort = () => child.kill('SIGKILL');
  signal.addEventListener('abort', abort, { once: true });
  const ended = once(child, 'close') as Promise<[number | null, string | null]>;
  ended.catch(() => undefined);
  let words = '';
  child.stderr.on('data', (part: Buffer) => {
    words = (words + part.toString()).slice(-KEPT_BYTES);
  });
  // A program that fails before it reads is told by how it ends.
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(job));
  try {
    await intake.write(child.stdout);
    const [code] = await ended;
    signal.throwIfAborted();
    if (code !== 0) throw failureOf(words);
    return decodeManifest(await readFile(job.manifest));
  } catch (error) {
    child.kill('SIGKILL');
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function failureOf(words: string): Error {
  const last = words.trim().split('\n').at(-1) ?? '';
  let failure: unknown;
  try {
    failure = JSON.parse(last);
  } catch {
    failure = undefined;
  }
  if (!Value.Check(volumeFailureSchema, failure)) {
    return knownError('SHRINK_FAILED', { filesystem: 'volume', reason: last || 'its program ended without a word' });
  }
  return failure.leastBytes === undefined ? new KnownError(failure.error) : new VolumeTooSmall(failure.leastBytes);
}
