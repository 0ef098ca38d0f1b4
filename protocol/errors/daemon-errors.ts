/** Errors about starting and running the daemon: its config, its interfaces and ports, its database. */
import type { ErrorTexts } from './error-text.ts';

export const daemonErrors = {
  CONFIG_UNREADABLE: {
    status: 500,
    message: 'The config file {path} cannot be read: {reason}',
    next: 'Put the file or its name right, then: fleetcast config check --config {path}',
  },
  CONFIG_UNKNOWN_KEY: {
    status: 500,
    message: 'Unknown key {key} in {path}',
    next: 'Did you mean {nearest}? All keys: fleetcast config show',
  },
  CONFIG_BAD_VALUE: {
    status: 500,
    message: '{key} = {value} in {path}: {problem}',
    next: 'All keys, units and ranges: fleetcast config show',
  },
  INTERFACE_MISSING: {
    status: 500,
    message: 'There is no network interface {interface}; there are: {known}',
    next: 'Set [network] interface in the config, or serve --interface NAME',
  },
  INTERFACE_NO_ADDRESS: {
    status: 500,
    message: 'The interface {interface} has no IPv4 address',
    next: 'ip address add ADDRESS/24 brd + dev {interface}',
  },
  INTERFACE_AMBIGUOUS: {
    status: 500,
    message: 'Several interfaces have an address: {known}',
    next: 'Name the one of the deployment network: serve --interface NAME',
  },
  INTERFACE_WITHOUT_CASTS: {
    status: 500,
    message: '[[cast.interface]] names {found}, but casts leave by {interface} alone: that cap would never hold',
    next: 'Name {interface} there, or take that table out; hosts behind other interfaces get their image over HTTP (docs/reliability.md)',
  },
  PORT_TAKEN: {
    status: 500,
    message: 'Port {port} on {address} is taken by another program',
    next: 'See who: ss -lptn sport = :{port}   or set [network] agent_port',
  },
  BOOT_PORT_TAKEN: {
    status: 500,
    message: 'UDP port {port} on {address}, which network boot needs, is taken by {holder}',
    next: 'Stop that program, or set [boot] dhcp = "external" and tell it what fleetcast dhcp external prints, or [boot] dhcp = "off" (port 69: tftp = "off")',
  },
  BOOT_PORT_DENIED: {
    status: 500,
    message: 'UDP port {port} on {address}, which network boot needs, may not be opened',
    next: 'Run the daemon as root or with CAP_NET_BIND_SERVICE and CAP_NET_RAW, or without network boot: [boot] dhcp = "off" and tftp = "off"',
  },
  BOOT_SUBNET_MISSING: {
    status: 500,
    message: 'DHCP is to give addresses on {interface}, but no [[boot.subnet]] holds its address {address}',
    next: 'Add a [[boot.subnet]] with network, pool_first and pool_last for {interface}, or set its dhcp to "proxy"',
  },
  BOOT_INTERFACES_NEED_KOFFI: {
    status: 500,
    message: 'DHCP on several interfaces ({interfaces}) needs the npm package koffi, which is missing',
    next: 'Install it: npm install koffi   or leave one interface with dhcp other than "off"',
  },
  SOCKET_TAKEN: {
    status: 500,
    message: 'A daemon already answers on {socket}',
    next: 'Use that one, or stop it first',
  },
  DATABASE_NEWER: {
    status: 500,
    message: 'The database {path} was written by a newer fleetcast (migration {found}, this one knows {known})',
    next: 'Run the newer fleetcast, or restore the copy {path}.before-N',
  },
  DATABASE_CHANGED: {
    status: 500,
    message: 'Migration {name} was changed after it ran on {path}',
    next: 'Restore the released file of that migration',
  },
  DATABASE_DAMAGED: {
    status: 500,
    message: 'The database {path} is damaged, or is none: {reason}',
    next: 'Put a copy back ({path}.before-N, or a backup), or move it away: images are found again from the store, hosts and history are not',
  },
  DATABASE_BLOCKED: {
    status: 503,
    message: 'The database of the daemon cannot be written: {reason}',
    next: 'Free space on its disk (df), or end the program that holds it (fuser); sessions then go on by themselves',
  },
  STORE_LOCKED: {
    status: 500,
    message: 'The store {path} is in use by process {pid}',
    next: 'Stop that process first',
  },
  DOCTOR_BUSY: {
    status: 409,
    message: 'A doctor is looking at the network already',
    next: 'Wait until it has ended, and ask again: fleetcast doctor',
  },
} as const satisfies ErrorTexts;
