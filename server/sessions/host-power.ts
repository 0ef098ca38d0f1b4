/** Telling the agent of a host that no session has to reboot or switch off. */
import type { HostView, PowerAction } from '#protocol/admin/host-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { EventLog } from '../inventory/events.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { AgentCalls } from './agent-calls.ts';
import type { RunningSessions } from './running-sessions.ts';

export interface HostPowerOptions {
  readonly hosts: Pick<Hosts, 'get'>;
  readonly events: EventLog;
  readonly agents: Pick<AgentCalls, 'hasLeft' | 'power'>;
  readonly running: Pick<RunningSessions, 'sessionOf'>;
}

export class HostPower {
  #options: HostPowerOptions;

  constructor(options: HostPowerOptions) {
    this.#options = options;
  }

  /** May be repeated. Throws HOST_UNKNOWN, HOST_BUSY, HOST_AWAY. */
  order(ref: string, action: PowerAction): HostView {
    const { hosts, events, agents, running } = this.#options;
    const { hostId, name, presence } = hosts.get(ref);
    const session = running.sessionOf(hostId);
    if (session !== undefined) throw knownError('HOST_BUSY', { host: name, session });
    if (presence === 'away' || agents.hasLeft(hostId)) throw knownError('HOST_AWAY', { host: name });
    agents.power(hostId, action);
    const text = `${name} is told to ${action === 'reboot' ? 'reboot' : 'switch off'}`;
    events.add({ subject: 'host', action, text, hostId, host: name });
    return hosts.get(ref);
  }
}
