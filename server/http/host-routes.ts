/** /hosts of the admin API. */
import { Type } from 'typebox';
import {
  hostSettingsSchema,
  hostViewSchema,
  importAnswerSchema,
  newHostSchema,
  powerActionSchema,
  wakeAnswerSchema,
} from '#protocol/admin/host-api.ts';
import type { Clock } from '#system/clock.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { Waker } from '../inventory/wake.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { App } from './app.ts';

const hostParams = Type.Object({ host: Type.String() });

export interface HostServices {
  readonly hosts: Hosts;
  readonly events: EventLog;
  readonly sessions: Pick<Sessions, 'power'>;
  readonly waker: Pick<Waker, 'wake'>;
  readonly clock: Clock;
}

export function addHostRoutes(app: App, services: HostServices): void {
  const { hosts, events, sessions, waker, clock } = services;
  app.get('/hosts', { schema: { summary: 'All hosts', response: { 200: Type.Array(hostViewSchema) } } }, async () =>
    hosts.list(),
  );
  app.get(
    '/hosts/:host',
    { schema: { summary: 'One host, by name, id or MAC', params: hostParams, response: { 200: hostViewSchema } } },
    async ({ params }) => hosts.get(params.host),
  );
  app.post(
    '/hosts',
    { schema: { summary: 'Adds an approved host', body: newHostSchema, response: { 200: hostViewSchema } } },
    async ({ body }) => hosts.add(body),
  );
  app.post(
    '/hosts/import',
    {
      schema: {
        summary: 'Adds the hosts of a CSV (name,mac[,group]): all or none; again is harmless',
        body: Type.Object({ csv: Type.String() }),
        response: { 200: importAnswerSchema },
      },
    },
    async ({ body }) => hosts.importCsv(body.csv),
  );
  app.post(
    '/hosts/:host/approve',
    { schema: { summary: 'Lets a pending host take part', params: hostParams, response: { 200: hostViewSchema } } },
    async ({ params }) => hosts.approve(params.host),
  );
  app.post(
    '/hosts/:host/rename',
    {
      schema: {
        summary: 'Renames a host',
        params: hostParams,
        body: Type.Object({ name: Type.String() }),
        response: { 200: hostViewSchema },
      },
    },
    async ({ params, body }) => hosts.rename(params.host, body.name),
  );
  app.post(
    '/hosts/:host/set',
    {
      schema: {
        summary: 'Sets or removes (null) its SecureOn password, the address that DHCP keeps for it, its disk rule',
        params: hostParams,
        body: hostSettingsSchema,
        response: { 200: hostViewSchema },
      },
    },
    async ({ params, body }) => hosts.set(params.host, body),
  );
  app.post(
    '/hosts/:host/wake',
    { schema: { summary: 'Sends it magic packets', params: hostParams, response: { 200: wakeAnswerSchema } } },
    async ({ params }) => {
      const host = hosts.get(params.host);
      const { hostId, name } = host;
      const wokenAtMs = clock.nowMs();
      await waker.wake(host);
      events.add({ subject: 'host', action: 'woken', text: `${name} was sent magic packets`, hostId, host: name });
      return { host, wokenAtMs };
    },
  );
  app.post(
    '/hosts/:host/power',
    {
      schema: {
        summary: 'Tells its agent to reboot or switch off',
        params: hostParams,
        body: Type.Object({ action: powerActionSchema }),
        response: { 200: hostViewSchema },
      },
    },
    async ({ params, body }) => sessions.power.order(params.host, body.action),
  );
  app.delete(
    '/hosts/:host',
    { schema: { summary: 'Forgets a host', params: hostParams, response: { 204: Type.Null() } } },
    async ({ params }, reply) => {
      hosts.remove(params.host);
      return reply.code(204).send(null);
    },
  );
}
