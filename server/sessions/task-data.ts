/**
 * What agents fetch and bring for their tasks: manifests, finishers, secrets, holes, frames, uploads. Every call is checked against
 * the host's running task.
 */
import type { ChunksAnswer, ManifestAnswer } from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import type { Manifest } from '#protocol/manifest.ts';
import type { TaskState } from '#protocol/states.ts';
import type { Logger } from '#system/log.ts';
import type { SessionTable } from '../db/session-table.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Finishers } from '../inventory/finishers.ts';
import type { Secrets } from '../inventory/secrets.ts';
import { findDamaged } from '../transfer/damage.ts';
import { planFrames, readFrames } from '../transfer/frame-source.ts';
import { Captures } from './captures.ts';
import type { LiveSession } from './live-session.ts';
import { secretsOfTask } from './orders.ts';
import type { RunningSessions, RunningTask } from './running-sessions.ts';

export interface TaskDataOptions {
  readonly running: Pick<RunningSessions, 'taskOf'>;
  readonly table: SessionTable;
  readonly events: EventLog;
  readonly finishers: Pick<Finishers, 'read'>;
  readonly secrets: Pick<Secrets, 'read'>;
  readonly catalog: Pick<Catalog, 'readManifest' | 'loadManifest' | 'addVersion'>;
  readonly store: Pick<ChunkStore, 'locate' | 'readAt' | 'beginIntake'>;
  readonly log: Logger;
}

/** Steps at whose end an agent says what it lacks. */
const HOLE_STATES: readonly TaskState[] = ['preparing', 'receiving', 'repairing', 'verifying'];

/** In all of them an agent that has just prepared may work on the disk. */
const SECRET_STATES: readonly TaskState[] = ['capturing', 'preparing', 'ready', ...HOLE_STATES.slice(1), 'finishing'];

export class TaskData {
  #options: TaskDataOptions;
  #captures: Captures;

  constructor(options: TaskDataOptions) {
    this.#options = options;
    this.#captures = new Captures(options);
  }

  /** Gives up all uploads. */
  stop(): Promise<void> {
    return this.#captures.stop();
  }

  /** Only of the image of the host's own task. Throws TASK_STALE, DENIED. */
  async readManifest(hostId: number, manifestId: string): Promise<Buffer> {
    const { live } = this.#taskOf(hostId, undefined);
    if (live.row.manifestId !== manifestId) throw knownError('DENIED', { reason: 'it is not the image of your task' });
    return this.#options.catalog.readManifest(manifestId);
  }

  /** An own finisher of the host's task, while it finishes. Throws TASK_STALE, DENIED, FINISHER_DAMAGED. */
  async readFinisher(hostId: number, digest: string): Promise<Buffer> {
    const { task } = this.#taskOf(hostId, undefined, ['finishing']);
    const step = task.row.finishers?.find((one) => one.digest === digest);
    if (step === undefined) throw knownError('DENIED', { reason: 'it is no finisher of your task' });
    return this.#options.finishers.read(step.name, digest);
  }

  /** A secret that the host's task names, while it works. It is noted that it was given. Throws TASK_STALE, DENIED, SECRET_UNKNOWN. */
  async readSecret(hostId: number, taskId: number, name: string): Promise<Buffer> {
    const { live, task } = this.#taskOf(hostId, taskId, SECRET_STATES);
    const { sessionId } = live.row;
    if (!secretsOfTask(live.row, task.row)?.includes(name)) {
      throw knownError('DENIED', { reason: 'your task names no such secret' });
    }
    const secret = await this.#options.secrets.read(name);
    const { host } = task.row;
    const text = `${host} is given the secret ${name}`;
    this.#options.events.add({ subject: 'secret', action: 'given', text, sessionId, hostId, host });
    return secret;
  }

  /** What the host lacks now. Throws TASK_STALE, INVALID_REQUEST. */
  async putHoles(hostId: number, taskId: number, bytes: Buffer): Promise<void> {
    const { live, task } = this.#taskOf(hostId, taskId, HOLE_STATES);
    const { round } = task.row;
    const manifest = await this.#options.catalog.loadManifest(live.row.manifestId!);
    const holes = HoleSet.decode(bytes, manifest.chunkCount);
    if (holes === undefined) throw knownError('INVALID_REQUEST', { problem: 'the holes do not fit the manifest' });
    if (task.row.state === 'repairing' && holes.count > 0) await this.#lookForDamage(live, manifest, holes);
    if (task.row.round !== round) throw staleTask(taskId, task.row.state);
    const have = holes.chunkCount - holes.count;
    this.#options.table.setHoles(taskId, bytes, have);
    task.holes = holes;
    task.row = { ...task.row, have };
  }

  /** The frames of the chunks that the host wants. Throws TASK_STALE, INVALID_REQUEST. */
  async frames(hostId: number, taskId: number, wanted: Buffer, nonce: Uint8Array): Promise<AsyncIterable<Buffer>> {
    const { live } = this.#taskOf(hostId, taskId, ['repairing']);
    const { store, catalog } = this.#options;
    const manifest = await catalog.loadManifest(live.row.manifestId!);
    const holes = HoleSet.decode(wanted, manifest.chunkCount);
    if (holes === undefined)
      throw knownError('INVALID_REQUEST', { problem: 'the chunks wanted do not fit the manifest' });
    const plan = await planFrames({ store, manifest, holes });
    const onSkipped = (ordinal: number, error: Error) => this.noteDamaged(live, ordinal, error.message);
    return readFrames(plan, { sessionId: live.row.sessionId, castId: `repair-${taskId}`, nonce, onSkipped });
  }

  /** Throws TASK_STALE. */
  async lacking(hostId: number, taskId: number, ids: Buffer): Promise<Buffer> {
    this.#taskOf(hostId, taskId, ['capturing']);
    return this.#captures.lacking(taskId, ids);
  }

  /** Throws TASK_STALE, STREAM_CORRUPT, CHUNK_CORRUPT, STORE_FULL. */
  async chunks(hostId: number, taskId: number, stream: AsyncIterable<Uint8Array>): Promise<ChunksAnswer> {
    this.#taskOf(hostId, taskId, ['capturing']);
    return this.#captures.chunks(taskId, stream);
  }

  /** Makes the image version. Throws TASK_STALE, MANIFEST_CORRUPT, CHUNK_MISSING, STORE_FULL. */
  async manifest(hostId: number, taskId: number, bytes: Buffer): Promise<ManifestAnswer> {
    const { live, task } = this.#taskOf(hostId, taskId, ['capturing']);
    const { sessionId, image } = live.row;
    const answer = await this.#captures.manifest({ taskId, image, host: task.row.host }, bytes);
    this.#options.table.setVersion(sessionId, answer.version, answer.manifestId);
    live.row = { ...live.row, version: answer.version, manifestId: answer.manifestId };
    return answer;
  }

  /** Frees what a capture task has uploaded. May be repeated. */
  abandonUpload(taskId: number): Promise<void> {
    return this.#captures.abandon(taskId);
  }

  /** Notes, once, a chunk that the store does not have whole. */
  noteDamaged(live: LiveSession, ordinal: number, problem: string): void {
    if (!live.addDamaged(ordinal)) return;
    const { sessionId, image } = live.row;
    const text = `Chunk ${ordinal} of ${image} cannot be sent: ${problem}`;
    this.#options.events.add({ subject: 'image', action: 'damaged', text, sessionId });
  }

  /** After a repair something is still lacking: is it the store's fault? */
  async #lookForDamage(live: LiveSession, manifest: Manifest, holes: HoleSet): Promise<void> {
    const plan = await planFrames({ store: this.#options.store, manifest, holes });
    for (const ordinal of await findDamaged(plan, manifest.chunkCount)) {
      this.noteDamaged(live, ordinal, 'its bytes in the store are not what its id says');
    }
  }

  /** The running task of a host; `taskId` and `states` are what the call is about. Throws TASK_STALE. */
  #taskOf(hostId: number, taskId: number | undefined, states?: readonly TaskState[]): RunningTask {
    const running = this.#options.running.taskOf(hostId);
    if (running === undefined) throw staleTask(taskId, 'over');
    const { row } = running.task;
    if (taskId !== undefined && row.taskId !== taskId) throw staleTask(taskId, 'over');
    if (states?.includes(row.state) === false) throw staleTask(row.taskId, row.state);
    return running;
  }
}

function staleTask(taskId: number | undefined, state: string): Error {
  return knownError('TASK_STALE', { task: taskId ?? 'of this host', state });
}
