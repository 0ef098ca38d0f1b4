/** The uploads of capture tasks: one intake a task, aborted unless its image has appeared. */
import type { ChunksAnswer, ManifestAnswer } from '#protocol/agent-api.ts';
import type { Logger } from '#system/log.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { Intake } from '../images/intake.ts';

export interface CaptureSource {
  readonly taskId: number;
  readonly image: string;
  readonly host: string;
}

export class Captures {
  #store: Pick<ChunkStore, 'beginIntake'>;
  #catalog: Pick<Catalog, 'addVersion'>;
  #log: Logger;
  #intakes = new Map<number, Promise<Intake>>();

  constructor(o: { store: Pick<ChunkStore, 'beginIntake'>; catalog: Pick<Catalog, 'addVersion'>; log: Logger }) {
    this.#store = o.store;
    this.#catalog = o.catalog;
    this.#log = o.log;
  }

  async lacking(taskId: number, ids: Buffer): Promise<Buffer> {
    return (await this.#intakeOf(taskId)).lacking(ids);
  }

  async chunks(taskId: number, stream: AsyncIterable<Uint8Array>): Promise<ChunksAnswer> {
    return (await this.#intakeOf(taskId)).write(stream);
  }

  /** Makes the image version: its chunks are safe before it appears. */
  async manifest(source: CaptureSource, manifestBytes: Buffer): Promise<ManifestAnswer> {
    const intake = await this.#intakeOf(source.taskId);
    const { addedBytes } = await intake.finish();
    const { image, host } = source;
    const answer = await this.#catalog.addVersion({ image, sourceHost: host, manifestBytes, warnings: [], addedBytes });
    this.#intakes.delete(source.taskId);
    return answer;
  }

  /** Frees what a capture that will not end well has uploaded. May be repeated. */
  async abandon(taskId: number): Promise<void> {
    const intake = this.#intakes.get(taskId);
    this.#intakes.delete(taskId);
    await intake
      ?.then((one) => one.abort())
      .catch((error: unknown) => this.#log.error({ err: error, taskId }, 'an intake could not be aborted'));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#intakes.keys()].map((taskId) => this.abandon(taskId)));
  }

  #intakeOf(taskId: number): Promise<Intake> {
    const known = this.#intakes.get(taskId);
    if (known !== undefined) return known;
    const intake = this.#store.beginIntake();
    this.#intakes.set(taskId, intake);
    return intake;
  }
}
