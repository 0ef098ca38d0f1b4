/** /schedules of the admin API. */
import { Type } from 'typebox';
import {
  newScheduleSchema,
  schedulePreviewSchema,
  scheduleRunSchema,
  scheduleViewSchema,
} from '#protocol/admin/schedule-api.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { App } from './app.ts';

const params = Type.Object({ schedule: Type.String() });
const query = Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })) });
const DEFAULT_LIMIT = 50;

export function addScheduleRoutes(app: App, { schedules }: { schedules: Schedules }): void {
  const view = { 200: scheduleViewSchema };
  app.post(
    '/plans/schedule',
    {
      schema: {
        summary: 'What a schedule would do; changes nothing',
        body: newScheduleSchema,
        response: { 200: schedulePreviewSchema },
      },
    },
    async ({ body }) => schedules.preview(body),
  );
  app.get(
    '/schedules',
    { schema: { summary: 'Every schedule', response: { 200: Type.Array(scheduleViewSchema) } } },
    async () => schedules.list(),
  );
  app.post(
    '/schedules',
    { schema: { summary: 'Adds a schedule', body: newScheduleSchema, response: view } },
    async ({ body }) => schedules.add(body),
  );
  app.get('/schedules/:schedule', { schema: { summary: 'One schedule', params, response: view } }, async (request) =>
    schedules.view(request.params.schedule),
  );
  app.delete(
    '/schedules/:schedule',
    { schema: { summary: 'Removes a schedule and its history', params } },
    async (request, reply) => {
      schedules.remove(request.params.schedule);
      return reply.code(204).send();
    },
  );
  app.get(
    '/schedules/:schedule/runs',
    {
      schema: {
        summary: 'Its runs, newest first',
        params,
        querystring: query,
        response: { 200: Type.Array(scheduleRunSchema) },
      },
    },
    async (request) => schedules.history(request.params.schedule, request.query.limit ?? DEFAULT_LIMIT),
  );
  app.post(
    '/schedules/:schedule/run',
    { schema: { summary: 'Begins a run now', params, response: { 200: scheduleRunSchema } } },
    async (request) => schedules.run(request.params.schedule),
  );
  app.post(
    '/schedules/:schedule/pause',
    { schema: { summary: 'Lets its times pass', params, response: view } },
    async (request) => schedules.pause(request.params.schedule),
  );
  app.post(
    '/schedules/:schedule/resume',
    { schema: { summary: 'Ends a pause', params, response: view } },
    async (request) => schedules.unpause(request.params.schedule),
  );
}
