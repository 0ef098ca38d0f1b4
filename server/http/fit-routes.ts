/** /images/IMAGE/fit of the admin API. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { type FitLine, fitImageSchema, fitLineSchema } from '#protocol/admin/image-api.ts';
import { type ErrorBody, KnownError, knownError } from '#protocol/errors.ts';
import type { Logger } from '#system/log.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { FitSizes } from '../images/fit-sizes.ts';
import { fitImage } from '../images/image-fitter.ts';
import type { EventLog } from '../inventory/events.ts';
import type { App } from './app.ts';
import type { StoreGate } from './store-gate.ts';

export interface FitServices {
  readonly catalog: Catalog;
  readonly store: ChunkStore;
  readonly events: EventLog;
  readonly gate: StoreGate;
  readonly zstdLevel: number;
  readonly log: Logger;
}

export function addFitRoutes(app: App, services: FitServices): void {
  const { catalog, store, gate } = services;
  app.post(
    '/images/:image/fit',
    {
      schema: {
        summary: 'Makes an image that fits a smaller disk; lines of JSON',
        params: Type.Object({ image: Type.String() }),
        body: fitImageSchema,
        response: { 200: fitLineSchema },
      },
    },
    async ({ params, body }, reply) => {
      const { image } = catalog.resolve(params.image);
      const { toBytes, disks, name = fittedName(image, body), dryRun: isDryRun = false } = body;
      if ((toBytes === undefined) === (disks === undefined)) {
        throw knownError('INVALID_REQUEST', { problem: 'either toBytes or disks' });
      }
      const endFit = gate.beginFit();
      const stop = new AbortController();
      const lines = fitImage({
        ...services,
        ref: params.image,
        sizes: body,
        name,
        isDryRun,
        workDir: store.fitDir,
        signal: stop.signal,
      });
      const stream = Readable.from(toText(lines, services));
      stream.once('close', () => {
        stop.abort();
        endFit();
      });
      return reply.type('application/x-ndjson').send(stream as never);
    },
  );
}

/** `win11-60G`, `lab-disk2-60G`: the name says what size of disk it is for. */
function fittedName(image: string, { toBytes, disks = [] }: FitSizes): string {
  if (toBytes !== undefined) return `${image}-${sayLabel(toBytes)}`;
  const named = disks.toSorted((a, b) => a.disk - b.disk);
  return [image, ...named.map((one) => `disk${one.disk + 1}-${sayLabel(one.toBytes)}`)].join('-');
}

/** In powers of ten, as on the disk's label. */
function sayLabel(bytes: number): string {
  const isLarge = bytes >= 1e9;
  const size = (bytes / (isLarge ? 1e9 : 1e6)).toFixed(1).replace(/\.0$/, '');
  return `${size}${isLarge ? 'G' : 'M'}`;
}

/** The status is sent when the first line is: what goes wrong later comes as the last line. */
async function* toText(lines: AsyncIterable<FitLine>, { events, log }: FitServices): AsyncGenerator<string> {
  let last: FitLine = { phase: 'restore', doneBytes: 0, totalBytes: 0 };
  try {
    for await (const line of lines) {
      last = line;
      yield `${JSON.stringify(line)}\n`;
    }
    if (last.done === undefined) return;
    const { image, version } = last.done;
    events.add({
      subject: 'image',
      action: 'fitted',
      text: `The image ${image}@${version} was made to fit a smaller disk`,
    });
  } catch (error) {
    yield `${JSON.stringify({ ...last, error: bodyOf(error, log) })}\n`;
  }
}

function bodyOf(error: unknown, log: Logger): ErrorBody {
  if (error instanceof KnownError) return error.toBody();
  const logId = randomUUID().slice(0, 8);
  log.error({ err: error, logId }, 'an image could not be fitted');
  return knownError('INTERNAL', { logId }).toBody();
}
