/** /plans and /sessions of the admin API. */
import { Type } from 'typebox';
import { captureRequestSchema } from '#protocol/admin/capture-api.ts';
import { deployRequestSchema } from '#protocol/admin/deploy-api.ts';
import { deployPlanSchema } from '#protocol/admin/plan-api.ts';
import { sessionViewSchema } from '#protocol/admin/session-api.ts';
import { addedHostsSchema, removedHostsSchema, sessionSettingsSchema } from '#protocol/admin/session-change-api.ts';
import { wipePlanSchema, wipeRequestSchema } from '#protocol/admin/wipe-api.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { App } from './app.ts';
import type { StoreGate } from './store-gate.ts';

const params = Type.Object({ session: Type.Integer({ minimum: 1 }) });
const query = Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })) });
const DEFAULT_LIMIT = 50;

export function addSessionRoutes(app: App, { sessions, gate }: { sessions: Sessions; gate: StoreGate }): void {
  app.post(
    '/plans/deploy',
    {
      schema: {
        summary: 'What a deployment would do; changes nothing',
        body: deployRequestSchema,
        response: { 200: deployPlanSchema },
      },
    },
    async ({ body }) => sessions.planDeploy(body),
  );
  app.post(
    '/sessions/deploy',
    {
      schema: {
        summary: 'Starts the deployment of a plan (planId)',
        body: deployRequestSchema,
        response: { 200: sessionViewSchema },
      },
    },
    async ({ body }) => {
      gate.requireNoPrune();
      return sessions.startDeploy(body);
    },
  );
  app.post(
    '/plans/wipe',
    {
      schema: {
        summary: 'Which disks a wipe would erase; changes nothing',
        body: wipeRequestSchema,
        response: { 200: wipePlanSchema },
      },
    },
    async ({ body }) => sessions.planWipe(body),
  );
  app.post(
    '/sessions/wipe',
    {
      schema: {
        summary: 'Starts the wipe of a plan (planId)',
        body: wipeRequestSchema,
        response: { 200: sessionViewSchema },
      },
    },
    async ({ body }) => sessions.startWipe(body),
  );
  app.post(
    '/sessions/capture',
    { schema: { summary: 'Starts a capture', body: captureRequestSchema, response: { 200: sessionViewSchema } } },
    async ({ body }) => {
      gate.requireNoPrune();
      return sessions.startCapture(body);
    },
  );
  app.get(
    '/sessions',
    {
      schema: {
        summary: 'Sessions, newest first',
        querystring: query,
        response: { 200: Type.Array(sessionViewSchema) },
      },
    },
    async (request) => sessions.list(request.query.limit ?? DEFAULT_LIMIT),
  );
  app.get(
    '/sessions/:session',
    { schema: { summary: 'One session', params, response: { 200: sessionViewSchema } } },
    async (request) => sessions.view(request.params.session),
  );
  app.post(
    '/sessions/:session/start-now',
    { schema: { summary: 'Starts the cast with whoever is ready', params, response: { 200: sessionViewSchema } } },
    async (request) => sessions.changes.startNow(request.params.session),
  );
  app.post(
    '/sessions/:session/set',
    {
      schema: {
        summary: 'Changes when a session that gathers begins',
        params,
        body: sessionSettingsSchema,
        response: { 200: sessionViewSchema },
      },
    },
    async (request) => sessions.changes.set(request.params.session, request.body),
  );
  app.post(
    '/plans/sessions/:session/add',
    {
      schema: {
        summary: 'What adding hosts would do to them; changes nothing',
        params,
        body: addedHostsSchema,
        response: { 200: deployPlanSchema },
      },
    },
    async (request) => sessions.changes.planAdd(request.params.session, request.body),
  );
  app.post(
    '/sessions/:session/add',
    {
      schema: {
        summary: 'Adds the hosts of a plan (planId) to a running deployment',
        params,
        body: addedHostsSchema,
        response: { 200: sessionViewSchema },
      },
    },
    async (request) => sessions.changes.add(request.params.session, request.body),
  );
  app.post(
    '/sessions/:session/remove',
    {
      schema: {
        summary: 'Takes hosts out of a running session; the others go on',
        params,
        body: removedHostsSchema,
        response: { 200: sessionViewSchema },
      },
    },
    async (request) => sessions.changes.remove(request.params.session, request.body.hosts),
  );
  app.post(
    '/sessions/:session/cancel',
    { schema: { summary: 'Ends a session', params, response: { 200: sessionViewSchema } } },
    async (request) => sessions.cancel(request.params.session),
  );
}
