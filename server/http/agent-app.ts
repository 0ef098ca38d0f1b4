/** The agent API on the deployment network (protocol/agent-api.ts has the calls). */
import { Type } from 'typebox';
import {
  AGENT_PROTOCOL,
  bootTargetSchema,
  helloSchema,
  orderSchema,
  reportAnswerSchema,
  reportSchema,
  welcomeSchema,
} from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';
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
import { addTaskDataRoutes } from './task-data-routes.ts';

/** A connection on which nothing moves for this long is closed, in ms. Longer than an order call may last. */
const IDLE_MS = 120_000;
export interface AgentServices extends BootServices {
  readonly hosts: Hosts;
  readonly tokens: Tokens;
  readonly events: EventLog;
  readonly sessions: Pick<Sessions, 'agents' | 'taskData'>;
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
  addOrderRoutes(app, services.sessions.agents);
  await addTaskDataRoutes(app, services.sessions.taskData, services.tokens);
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
}
