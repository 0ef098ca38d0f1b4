/**
 * Decides what a machine boots next. How it asks (by DHCP, TFTP, or a script of iPXE or GRUB over HTTP) is the matter of the other
 * files of this folder; sessions are unknown here.
 */
import type { BootTarget } from '#protocol/agent-api.ts';

/** A machine that asks. */
export interface BootRequest {
  readonly mac: string;
  readonly uuid?: string | undefined;
}

export interface BootDirector {
  /** Throws MAC_INVALID. */
  next(request: BootRequest): BootTarget;
}

/** The host that a machine is; undefined when it is unknown and could not be written down. */
export interface BootHost {
  readonly hostId: number;
  readonly name: string;
  readonly approval: 'pending' | 'approved';
  /** Its agent has been here once, so that its disks are known. */
  readonly isRegistered: boolean;
}

/** What the director asks of the rest of the daemon. */
export interface BootFacts {
  hostOf(request: BootRequest): BootHost | undefined;
  /** The host has something to do for a session. */
  isCalled(hostId: number): boolean;
  /** Makes a single-use token; noted in the audit log. */
  issueToken(host: BootHost, request: BootRequest): string;
}

/** `server` is the base URL of the agent API. */
export function makeBootDirector(server: string, facts: BootFacts): BootDirector {
  return {
    next(request) {
      const host = facts.hostOf(request);
      const reason = reasonForLocal(host, host !== undefined && facts.isCalled(host.hostId));
      if (reason !== undefined) return { target: 'local', reason };
      return { target: 'agent', server, bootToken: facts.issueToken(host!, request) };
    },
  };
}

/** Why the machine boots its local disk; undefined: it boots the agent. */
function reasonForLocal(host: BootHost | undefined, isCalled: boolean): string | undefined {
  if (host === undefined) return 'this machine is unknown, and too many unknown ones wait for approval';
  if (host.approval === 'pending') return `${host.name} waits for approval: fleetcast host approve ${host.name}`;
  // No plan can be made for a host whose disks are unknown, so it boots the agent once without being called.
  return isCalled || !host.isRegistered ? undefined : `${host.name} has nothing to do`;
}
