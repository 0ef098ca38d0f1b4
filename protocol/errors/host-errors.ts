/** Errors about hosts, their addresses and power, and groups. */
import type { ErrorTexts } from './error-text.ts';

export const hostErrors = {
  HOST_UNKNOWN: { status: 404, message: 'There is no host {host}', next: 'fleetcast host list' },
  HOST_EXISTS: {
    status: 409,
    message: 'There is already a host {host}',
    next: 'Choose another name, or: fleetcast host rename {host} NEW',
  },
  MAC_TAKEN: { status: 409, message: 'The MAC {mac} belongs to host {host}', next: 'fleetcast host show {host}' },
  MAC_INVALID: { status: 400, message: '{mac} is not a MAC address', next: 'Write it as 52:54:00:12:34:56' },
  SECURE_ON_INVALID: {
    status: 400,
    message: '{password} is not a SecureOn password',
    next: 'Write its six bytes as 00:11:22:33:44:55, or none to remove it',
  },
  ADDRESS_INVALID: {
    status: 400,
    message: '{address} cannot be kept for {host}: {problem}',
    next: 'Choose a free IPv4 address of the deployment network, or none to remove it',
  },
  ADDRESS_TAKEN: {
    status: 409,
    message: 'The address {address} is kept for {owner}',
    next: 'Choose another, or: fleetcast host set {owner} --address none',
  },
  HOST_AWAY: {
    status: 409,
    message: '{host} is not in the agent',
    next: 'See where it is: fleetcast host show {host}; a host that is off: fleetcast wake {host}',
  },
  POWER_REFUSED: {
    status: 409,
    message: '{count} hosts were not told: {reasons}',
    next: 'See what they do: fleetcast host list',
  },
  HOSTS_NOT_AWAKE: {
    status: 504,
    message: 'Not up {seconds} s after they were woken: {hosts}',
    next: 'Check power, cable, and Wake-on-LAN and network boot in the setup of the firmware',
  },
  HOST_PENDING: { status: 409, message: 'The host {host} is not approved yet', next: 'fleetcast host approve {host}' },
  HOST_BUSY: {
    status: 409,
    message: 'The host {host} takes part in session {session}',
    next: 'Wait for it, or: fleetcast session cancel {session}',
  },
  HOST_NEVER_SEEN: {
    status: 409,
    message: 'The disks of {host} are not known: it has not booted the agent yet',
    next: 'Boot it once from the network, or wake it: it registers its disks by itself',
  },
  GROUP_UNKNOWN: { status: 404, message: 'There is no group {group}', next: 'fleetcast group list' },
  GROUP_EXISTS: { status: 409, message: 'There is already a group {group}', next: 'fleetcast group list' },
  GROUP_EMPTY: { status: 409, message: 'The group {group} has no hosts', next: 'fleetcast group add {group} HOST…' },
  CSV_INVALID: { status: 400, message: 'Line {line} of {path}: {problem}', next: 'A line is: name,mac[,group]' },
} as const satisfies ErrorTexts;
