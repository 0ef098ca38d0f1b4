/** /events of the admin API: the audit log, as a list and as a live stream. */
import { Type } from 'typebox';
import { eventViewSchema } from '#protocol/admin/event-api.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { App } from './app.ts';
import { EventStream } from './event-stream.ts';

const MAX_LISTED = 10_000;

const querySchema = Type.Object({
  /** Only of this session. */
  session: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Only of this host. */
  host: Type.Optional(Type.String()),
  /** Only on behalf of this actor. */
  actor: Type.Optional(Type.String()),
  /** Only with a greater event id; oldest first. */
  after: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LISTED })),
  /** 1: a live stream, from `after` (or the header Last-Event-ID, or now) on. */
  follow: Type.Optional(Type.Union([Type.Literal(0), Type.Literal(1)])),
});
const headersSchema = Type.Object({ 'last-event-id': Type.Optional(Type.Integer({ minimum: 0 })) });

export function addEventRoutes(
  app: App,
  { events, hosts, sessions }: { events: EventLog; hosts: Hosts; sessions: Sessions },
): void {
  const streams = new Set<EventStream>();
  app.addHook('preClose', async () => {
    for (const stream of streams) stream.end();
  });

  app.get(
    '/events',
    {
      schema: {
        summary: 'The audit log; with follow=1 a stream of Server-Sent Events',
        querystring: querySchema,
        headers: headersSchema,
        response: { 200: Type.Array(eventViewSchema) },
      },
    },
    async ({ query, headers }, reply) => {
      const sessionId = query.session;
      const filter = {
        sessionId,
        actor: query.actor,
        hostId: query.host === undefined ? undefined : hosts.get(query.host).hostId,
      };
      if (sessionId !== undefined) sessions.view(sessionId);
      if (query.follow !== 1) return events.list({ ...filter, after: query.after, limit: query.limit });

      const after = headers['last-event-id'] ?? query.after ?? events.lastId();
      reply.hijack();
      const stream = new EventStream(reply.raw, {
        after,
        readAfter: (eventId, limit) => events.list({ ...filter, after: eventId, limit }),
        ...(sessionId === undefined ? {} : { readSession: () => sessions.view(sessionId) }),
      });
      streams.add(stream);
      const stopEvents = events.onEvent(() => stream.noteEvents());
      const stopSessions = sessions.onChange((changed) => {
        if (changed === sessionId) stream.noteSession();
      });
      reply.raw.once('close', () => {
        streams.delete(stream);
        stopEvents();
        stopSessions();
      });
      return reply;
    },
  );
}
