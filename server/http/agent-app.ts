/** The agent API on the deployment network (protocol/agent-api.ts has the calls). */
import { finished, Readable } from 'node:stream';
import { Type } from 'typebox';
import {
  AGENT_PROTOCOL,
  bootTargetSchema,
  chunksAnswerSchema,
  helloSchema,
  MAX_LACKING_IDS,
  manifestAnswerSchema,
  orderSchema,
  reportAnswerSchema,
  reportSchema,
  welcomeSchema,
} from '#protocol/agent-api.ts';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { sealedSecretSchema, sealSecret } from '#protocol/sealed-secret.ts';
import type { Logger } from '#system/log.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { normalizeMac } from '../inventory/mac.ts';
import type { Tokens } from '../inventory/tokens.ts';
import type { AgentCalls } from '../sessions/agent-calls.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { requireAgentToken } from './agent-auth.ts';
import { type App, makeApp } from './app.ts';
import { addBootRoutes, type BootServices, reachedAt } from './boot-routes.ts';

const BINARY = 'application/octet-stream';
/** A connection on which nothing moves for this long is closed, in ms. Longer than an order call may last. */
const IDLE_MS = 120_000;
/** Holes of 16 TiB in chunks of 256 KiB. */
const MAX_HOLES_BYTES = 8 * 1024 * 1024;
/** The manifest of 1.6 TiB in chunks of 256 KiB. */
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
/** How long an agent whose upload was refused may go on sending, in ms. */
const DRAIN_MS = 10_000;
/** Bytes of a frame stream that may wait in the daemon for one slow agent. */
const FRAMES_AHEAD_BYTES = 1024 * 1024;

const taskParams = Type.Object({ task: Type.Integer({ minimum: 1 }) });

export interface AgentServices extends BootServices {
  readonly hosts: Hosts;
  readonly tokens: Tokens;
  readonly events: EventLog;
  readonly sessions: Pick<Sessions, 'agents'>;
  readonly log: Logger;
  /**
   * Calls are answered from then on. The port listens before the sessions are taken up again, and a host that asked in between
   * would be told that it has nothing to do.
   */
  readonly open: Promise<void>;
}

export async function makeAgentApp(services: AgentServices): Promise<App> {
  const app = makeApp(services.log, { connectionTimeout: IDLE_MS });
  app.addHook('onRequest', () => services.open);
  requireAgentToken(
    app,
    (token) => services.tokens.hostOfAgent(token),
    (hostId) => services.hosts.presence.noteSeen(hostId),
  );
  addOpenRoutes(app, services);
  await addBootRoutes(app, services);
  const { agents } = services.sessions;
  addOrderRoutes(app, agents);
  addFinisherRoute(app, agents);
  addSecretRoute(app, agents, services.tokens);
  // The two ways to read a binary body live in scopes of their own.
  await app.register(async (scope) => addBufferRoutes(scope as App, agents));
  await app.register(async (scope) => addUploadRoute(scope as App, agents));
  return app;
}

function addOpenRoutes(app: App, { hosts, tokens, events, sessions, director }: AgentServices): void {
  app.get(
    '/boot/v1/next',
    {
      config: { isOpen: true },
      schema: {
        querystring: Type.Object({ mac: Type.String(), uuid: Type.Optional(Type.String()) }),
        response: { 200: bootTargetSchema },
      },
    },
    async ({ query, raw }) => reachedAt(director.next(query), raw),
  );
  app.post(
    '/agent/v1/hello',
    { config: { isOpen: true }, schema: { body: helloSchema, response: { 200: welcomeSchema } } },
    async ({ body }) => {
      const { protocol, agentVersion, bootToken, inventory, sealKey } = body;
      if (protocol !== AGENT_PROTOCOL) throw knownError('AGENT_OUTDATED', { found: protocol, known: AGENT_PROTOCOL });
      const machine = { mac: normalizeMac(inventory.mac), systemUuid: inventory.systemUuid };
      const { hostId, agentToken } = tokens.spendBoot(bootToken, machine, sealKey);
      const host = hosts.hello(hostId, inventory);
      const text = `The agent (${agentVersion}) of ${host.name} is here, from ${inventory.address}`;
      events.add({ subject: 'host', action: 'arrived', text, hostId, host: host.name });
      sessions.agents.agentArrived(hostId, inventory);
      return { agentToken, hostId, hostName: host.name };
    },
  );
}

function addOrderRoutes(app: App, agents: AgentCalls): void {
  app.get(
    '/agent/v1/order',
    { schema: { querystring: Type.Object({ after: Type.Optional(Type.String()) }), response: { 200: orderSchema } } },
    async ({ hostId, query, signal }) => agents.awaitOrder(hostId, query.after ?? '', signal),
  );
  app.post(
    '/agent/v1/report',
    { schema: { body: reportSchema, response: { 200: reportAnswerSchema } } },
    async ({ hostId, body }) => agents.report(hostId, body),
  );
  app.get(
    '/agent/v1/manifests/:manifest',
    { schema: { params: Type.Object({ manifest: Type.String({ pattern: '^[0-9a-f]{64}$' }) }) } },
    async ({ hostId, params }, reply) =>
      reply.type(BINARY).send((await agents.readManifest(hostId, params.manifest)) as never),
  );
}

function addFinisherRoute(app: App, agents: AgentCalls): void {
  app.get(
    '/agent/v1/finishers/:digest',
    { schema: { params: Type.Object({ digest: Type.String({ pattern: '^[0-9a-f]{64}$' }) }) } },
    async ({ hostId, params }, reply) =>
      reply.type(BINARY).send((await agents.readFinisher(hostId, params.digest)) as never),
  );
}

function addSecretRoute(app: App, agents: AgentCalls, tokens: Pick<Tokens, 'sealOf'>): void {
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
      const secret = await agents.readSecret(hostId, taskId, name);
      return sealSecret(secret, seal.sealKey, { tokenHash: seal.tokenHash, taskId, name });
    },
  );
}

/** Bodies that are taken as a whole. */
function addBufferRoutes(app: App, agents: AgentCalls): void {
  app.addContentTypeParser(BINARY, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.put(
    '/agent/v1/tasks/:task/holes',
    { bodyLimit: MAX_HOLES_BYTES, schema: { params: taskParams } },
    async ({ hostId, params, body }, reply) => {
      await agents.putHoles(hostId, params.task, requireBytes(body));
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
      const frames = await agents.frames(hostId, params.task, requireBytes(body), nonce);
      // Fastify pipes it with back pressure and destroys it when the agent goes, which ends the generator behind it.
      const stream = Readable.from(frames, { objectMode: false, highWaterMark: FRAMES_AHEAD_BYTES });
      return reply.type(BINARY).send(stream);
    },
  );
  app.post(
    '/agent/v1/tasks/:task/lacking',
    { bodyLimit: MAX_LACKING_IDS * CHUNK_ID_BYTES, schema: { params: taskParams } },
    async ({ hostId, params, body }, reply) => {
      const ids = requireBytes(body);
      if (ids.length % CHUNK_ID_BYTES !== 0) {
        throw knownError('INVALID_REQUEST', { problem: `the body is not a row of ${CHUNK_ID_BYTES}-byte ids` });
      }
      return reply.type(BINARY).send(await agents.lacking(hostId, params.task, ids));
    },
  );
  app.put(
    '/agent/v1/tasks/:task/manifest',
    { bodyLimit: MAX_MANIFEST_BYTES, schema: { params: taskParams, response: { 200: manifestAnswerSchema } } },
    async ({ hostId, params, body }) => agents.manifest(hostId, params.task, requireBytes(body)),
  );
}

/** A capture's chunks: a stream without an end in sight, whose pace the store sets. */
function addUploadRoute(app: App, agents: AgentCalls): void {
  app.addContentTypeParser(BINARY, (_request, payload, done) => done(null, payload));

  app.post(
    '/agent/v1/tasks/:task/chunks',
    { schema: { params: taskParams, response: { 200: chunksAnswerSchema } } },
    async ({ hostId, params, body }) => {
      if (!(body instanceof Readable)) throw knownError('INVALID_REQUEST', { problem: `the body is not ${BINARY}` });
      try {
        // Leaving an iterator destroys the stream, and with a request's stream the connection: the agent would never hear why.
        return await agents.chunks(hostId, params.task, body.iterator({ destroyOnReturn: false }));
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
