/** /images and /store of the admin API. */
import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { imageViewSchema, pruneAnswerSchema, type VerifyLine, verifyLineSchema } from '#protocol/admin/image-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { ChoiceTable } from '../db/choice-table.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import { prune } from '../images/pruner.ts';
import { verifyChunks } from '../images/verifier.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { App } from './app.ts';
import type { StoreGate } from './store-gate.ts';

const params = Type.Object({ image: Type.String() });

export function addImageRoutes(
  app: App,
  services: {
    catalog: Catalog;
    store: ChunkStore;
    sessions: Sessions;
    choices: Pick<ChoiceTable, 'shownOf' | 'follow'>;
    events: EventLog;
    gate: StoreGate;
  },
): void {
  const { catalog, store, sessions, choices, events, gate } = services;

  app.get('/images', { schema: { summary: 'All images', response: { 200: Type.Array(imageViewSchema) } } }, async () =>
    catalog.list(),
  );
  app.get(
    '/images/:image',
    { schema: { summary: 'One image, NAME or NAME@VERSION', params, response: { 200: imageViewSchema } } },
    async (request) => {
      const image = await catalog.view(request.params.image);
      return { ...image, ...choices.shownOf('image', image.name) };
    },
  );
  app.post(
    '/images/:image/rename',
    {
      schema: {
        summary: 'Renames an image',
        params,
        body: Type.Object({ name: Type.String() }),
        response: { 200: imageViewSchema },
      },
    },
    async (request) => {
      const { image } = request.params;
      const { name } = request.body;
      requireUnused(image);
      const view = await catalog.rename(image, name);
      choices.follow('image', image, view.name);
      events.add({ subject: 'image', action: 'renamed', text: `The image ${image} is now called ${name}` });
      return view;
    },
  );
  app.delete(
    '/images/:image',
    {
      schema: {
        summary: 'Removes an image, or one version (NAME@VERSION); prune frees the space',
        params,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { image } = request.params;
      gate.requireNoPrune();
      requireUnused(image);
      await catalog.remove(image);
      if (!image.includes('@')) choices.follow('image', image, undefined);
      events.add({ subject: 'image', action: 'removed', text: `The image ${image} was removed` });
      return reply.code(204).send(null);
    },
  );
  app.post(
    '/images/:image/verify',
    {
      schema: { summary: 'Reads every chunk of an image; lines of JSON', params, response: { 200: verifyLineSchema } },
    },
    async (request, reply) => {
      catalog.resolve(request.params.image);
      return reply.type('application/x-ndjson').send(verify(request.params.image) as never);
    },
  );
  app.post(
    '/store/verify',
    { schema: { summary: 'Reads every chunk of the store; lines of JSON', response: { 200: verifyLineSchema } } },
    async (_request, reply) => reply.type('application/x-ndjson').send(verify() as never),
  );
  app.post(
    '/store/prune',
    {
      schema: {
        summary: 'Removes chunks that no image uses',
        body: Type.Object({ dryRun: Type.Boolean() }),
        response: { 200: pruneAnswerSchema },
      },
    },
    async ({ body: { dryRun } }) => {
      const answer = await gate.whilePruning(() => prune({ store, catalog, dryRun }));
      if (!dryRun) {
        const text = `Pruning removed ${answer.removedChunks} chunks and freed ${answer.freedBytes} bytes`;
        events.add({ subject: 'image', action: 'pruned', text });
      }
      return answer;
    },
  );

  /** A bare NAME means all its versions. Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, IMAGE_IN_USE. */
  function requireUnused(ref: string): void {
    const { image, version } = catalog.resolve(ref);
    const all = catalog.list().find(({ name }) => name === image)?.versions ?? [];
    for (const { manifestId } of ref === image ? all : [version]) {
      const session = sessions.running.sessionUsing(manifestId);
      if (session !== undefined) throw knownError('IMAGE_IN_USE', { image: ref, session });
    }
  }

  /** Lines of JSON; the reading stops when the client goes. */
  function verify(ref?: string): Readable {
    const endVerify = gate.beginVerify();
    const stop = new AbortController();
    const lines = verifyChunks({ store, catalog, ...(ref === undefined ? {} : { ref }), signal: stop.signal });
    const stream = Readable.from(toText(lines));
    stream.once('close', () => {
      stop.abort();
      endVerify();
    });
    return stream;
  }
}

async function* toText(lines: AsyncIterable<VerifyLine>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}
