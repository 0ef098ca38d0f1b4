/** The admin API over the unix socket: who may open the socket may do everything (protocol/admin/ has the calls). */
import { fastifySwagger } from '@fastify/swagger';
import { type DaemonStatus, statusSchema } from '#protocol/admin/status-api.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { NetworkBoot } from '../boot/network-boot.ts';
import type { ChoiceTable } from '../db/choice-table.ts';
import type { Doctor } from '../doctor/doctor.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Finishers } from '../inventory/finishers.ts';
import type { Groups } from '../inventory/groups.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { Secrets } from '../inventory/secrets.ts';
import type { Waker } from '../inventory/wake.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { type App, makeApp } from './app.ts';
import { noteCallers } from './caller.ts';
import { addDhcpRoutes } from './dhcp-routes.ts';
import { addDoctorRoutes } from './doctor-routes.ts';
import { addEventRoutes } from './event-routes.ts';
import { addFinisherRoutes } from './finisher-routes.ts';
import { addFitRoutes } from './fit-routes.ts';
import { addGroupRoutes } from './group-routes.ts';
import { addHostRoutes } from './host-routes.ts';
import { addImageRoutes } from './image-routes.ts';
import { addReportRoutes } from './report-routes.ts';
import { addScheduleRoutes } from './schedule-routes.ts';
import { addSecretRoutes } from './secret-routes.ts';
import { addSessionRoutes } from './session-routes.ts';
import type { StoreGate } from './store-gate.ts';

export interface AdminServices {
  readonly hosts: Hosts;
  readonly groups: Groups;
  readonly finishers: Finishers;
  readonly secrets: Secrets;
  readonly choices: ChoiceTable;
  readonly events: EventLog;
  readonly catalog: Catalog;
  readonly store: ChunkStore;
  readonly sessions: Sessions;
  readonly schedules: Schedules;
  readonly gate: StoreGate;
  readonly waker: Pick<Waker, 'wake'>;
  readonly clock: Clock;
  readonly networkBoot: Pick<NetworkBoot, 'leases' | 'externalSnippet'>;
  readonly doctor: Pick<Doctor, 'begin'>;
  readonly log: Logger;
  /** Of chunks that the server makes itself. */
  readonly zstdLevel: number;
  readonly version: string;
  readonly status: () => DaemonStatus;
}

export async function makeAdminApp(services: AdminServices): Promise<App> {
  const app = makeApp(services.log);
  await app.register(fastifySwagger, {
    openapi: { openapi: '3.1.0', info: { title: 'fleetcast admin API', version: services.version } },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.register(
    async (scope) => {
      const api = scope as App;
      noteCallers(api);
      api.get('/status', { schema: { summary: 'The daemon', response: { 200: statusSchema } } }, async () =>
        services.status(),
      );
      addHostRoutes(api, services);
      addGroupRoutes(api, services);
      addImageRoutes(api, services);
      addFitRoutes(api, services);
      addFinisherRoutes(api, services);
      addSecretRoutes(api, services);
      addReportRoutes(api, services);
      addSessionRoutes(api, services);
      addScheduleRoutes(api, services);
      addDhcpRoutes(api, services);
      addDoctorRoutes(api, services);
      addEventRoutes(api, services);
    },
    { prefix: '/api/v1' },
  );
  return app;
}
