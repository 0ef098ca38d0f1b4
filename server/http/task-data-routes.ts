/** What agents fetch and bring for their tasks (protocol/agent-api.ts has the calls). */
import { finished, Readable } from 'node:stream';
import { Type } from 'typebox';
import { chunksAnswerSchema, MAX_LACKING_IDS, manifestAnswerSchema } from '#protocol/agent-api.ts';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { sealedSecretSchema, sealSecret } from '#protocol/sealed-secret.ts';
import type { Tokens } from '../inventory/tokens.ts';
import type { TaskData } from '../sessions/task-data.ts';
import type { App } from './app.ts';

const BINARY = 'application/octet-stream';
/** Holes of 16 TiB in chunks of 256 KiB. */
const MAX_HOLES_BYTES = 8 * 1024 * 1024;
/** The manifest of 1.6 TiB in chunks of 256 KiB. */
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
/** How long an agent whose upload was refused may go on sending, in ms. */
const DRAIN_MS = 10_000;
/** Bytes of a frame stream that may wait in the daemon for one slow agent. */
const FRAMES_AHEAD_BYTES = 1024 * 1024;

const taskParams = Type.Object({ task: Type.Integer({ minimum: 1 }) });
const digest = Type.String({ pattern: '^[0-9a-f]{64}$' });

export async function addTaskDataRoutes(app: App, data: TaskData, tokens: Pick<Tokens, 'sealOf'>): Promise<void> {
  addFileRoutes(app, data);
  addSecretRoute(app, data, tokens);
  // The two ways to read a binary body live in scopes of their own.
  await app.register(async (scope) => addBufferRoutes(scope as App, data));
  await app.register(async (scope) => addUploadRoute(scope as App, data));
}

function addFileRoutes(app: App, data: TaskData): void {
  app.get(
    '/agent/v1/manifests/:manifest',
    { schema: { params: Type.Object({ manifest: digest }) } },
    async ({ hostId, params }, reply) =>
      reply.type(BINARY).send((await data.readManifest(hostId, params.manifest)) as never),
  );
  app.get(
    '/agent/v1/finishers/:digest',
    { schema: { params: Type.Object({ digest }) } },
    async ({ hostId, params }, reply) =>
      reply.type(BINARY).send((await data.readFinisher(hostId, params.digest)) as never),
  );
}

function addSecretRoute(app: App, data: TaskData, tokens: Pick<Tokens, 'sealOf'>): void {
  app.get(
    '/agent/v1/tasks/:task/secrets/:secret',
    {
      schema: {
        params: Type.Object({ ...taskParams.properties, secret: Type.String() }),
        response: { 200: sealedSecretSchema },
      },
    },
    async ({ hostId, params: { task: taskId, secret: name } }) => {
      const seal = tokens.sealOf(hostId);
      if (seal === undefined) throw knownError('DENIED', { reason: 'your hello named no key to seal it to' });
      const secret = await data.readSecret(hostId, taskId, name);
      try {
        return sealSecret(secret, seal.sealKey, { tokenHash: seal.tokenHash, taskId, name });
      } finally {
        secret.fill(0);
      }
    },
  );
}

/** Bodies that are taken as a whole. */
function addBufferRoutes(app: App, data: TaskData): void {
  app.addContentTypeParser(BINARY, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  addHoleRoutes(app, data);
  addCaptureRoutes(app, data);
}

function addHoleRoutes(app: App, data: TaskData): void {
  app.put(
    '/agent/v1/tasks/:task/holes',
    { bodyLimit: MAX_HOLES_BYTES, schema: { params: taskParams } },
    async ({ hostId, params, body }, reply) => {
      await data.putHoles(hostId, params.task, requireBytes(body));
      return reply.code(204).send();
    },
  );
  app.post(
    '/agent/v1/tasks/:task/frames',
    {
      bodyLimit: MAX_HOLES_BYTES,
      schema: { params: taskParams, querystring: Type.Object({ nonce: Type.String({ pattern: '^[0-9a-f]{16}$' }) }) },
    },
    async ({ hostId, params, query, body }, reply) => {
      const nonce = Buffer.from(query.nonce, 'hex');
      const frames = await data.frames(hostId, params.task, requireBytes(body), nonce);
      // Fastify pipes it with back pressure and destroys it when the agent goes, which ends the generator behind it.
      const stream = Readable.from(frames, { objectMode: false, highWaterMark: FRAMES_AHEAD_BYTES });
      return reply.type(BINARY).send(stream);
    },
  );
}

function addCaptureRoutes(app: App, data: TaskData): void {
  app.post(
    '/agent/v1/tasks/:task/lacking',
    { bodyLimit: MAX_LACKING_IDS * CHUNK_ID_BYTES, schema: { params: taskParams } },
    async ({ hostId, params, body }, reply) => {
      const ids = requireBytes(body);
      if (ids.length % CHUNK_ID_BYTES !== 0) {
        throw knownError('INVALID_REQUEST', { problem: `the body is not a row of ${CHUNK_ID_BYTES}-byte ids` });
      }
      return reply.type(BINARY).send(await data.lacking(hostId, params.task, ids));
    },
  );
  app.put(
    '/agent/v1/tasks/:task/manifest',
    { bodyLimit: MAX_MANIFEST_BYTES, schema: { params: taskParams, response: { 200: manifestAnswerSchema } } },
    async ({ hostId, params, body }) => data.manifest(hostId, params.task, requireBytes(body)),
  );
}

/** A capture's chunks: a stream without an end in sight, whose pace the store sets. */
function addUploadRoute(app: App, data: TaskData): void {
  app.addContentTypeParser(BINARY, (_request, payload, done) => done(null, payload));

  app.post(
    '/agent/v1/tasks/:task/chunks',
    { schema: { params: taskParams, response: { 200: chunksAnswerSchema } } },
    async ({ hostId, params, body }) => {
      if (!(body instanceof Readable)) throw knownError('INVALID_REQUEST', { problem: `the body is not ${BINARY}` });
      try {
        // Leaving an iterator destroys the stream, and with a request's stream the connection: the agent would never hear why.
        return await data.chunks(hostId, params.task, body.iterator({ destroyOnReturn: false }));
      } catch (error) {
        drain(body);
        throw error;
      }
    },
  );
}

/**
 * Reads what the agent still sends and forgets it, so that it comes to read the answer: a connection that is closed on unread
 * bytes is reset, and the answer is lost with it. An agent that goes on sending is cut off.
 */
function drain(body: Readable): void {
  const limit = setTimeout(() => body.destroy(), DRAIN_MS).unref();
  finished(body, () => clearTimeout(limit));
  body.resume();
}

function requireBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  throw knownError('INVALID_REQUEST', { problem: `the body is not ${BINARY}` });
}
