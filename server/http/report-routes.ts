/** Reports of sessions and histories of hosts in the admin API. */
import { Type } from 'typebox';
import { receiptSchema, sessionReportSchema } from '#protocol/admin/receipt-api.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { App } from './app.ts';

const sessionParams = Type.Object({ session: Type.Integer({ minimum: 1 }) });
const hostParams = Type.Object({ host: Type.String() });
const query = Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) });
const DEFAULT_LIMIT = 50;

export function addReportRoutes(app: App, { sessions }: { sessions: Pick<Sessions, 'reports'> }): void {
  app.get(
    '/sessions/:session/report',
    {
      schema: {
        summary: 'What a session did to each host',
        params: sessionParams,
        response: { 200: sessionReportSchema },
      },
    },
    async ({ params }) => sessions.reports.session(params.session),
  );
  app.get(
    '/hosts/:host/history',
    {
      schema: {
        summary: 'What the newest sessions did to a host, newest first',
        params: hostParams,
        querystring: query,
        response: { 200: Type.Array(receiptSchema) },
      },
    },
    async (request) => sessions.reports.history(request.params.host, request.query.limit ?? DEFAULT_LIMIT),
  );
}
