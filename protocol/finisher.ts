/**
 * Finishers: small programs that make a deployed disk a machine of its own. They run in the agent, in the order chosen, when the
 * table is laid and every filesystem has its size. docs/finishers.md
 */
import { type Static, Type } from 'typebox';

/** fail: the task fails, and the disk is left without a table · warn: it is told, and the next finisher runs. */
export const onErrorSchema = Type.Union([Type.Literal('fail'), Type.Literal('warn')]);
export type OnError = Static<typeof onErrorSchema>;

export const DEFAULT_LIMIT_S = 60;
export const MAX_LIMIT_S = 3600;
/** Of an own finisher, in bytes. */
export const MAX_FINISHER_BYTES = 1024 * 1024;
/** What is kept of the words of one finisher: the last of them, in characters. */
export const MAX_LOG_CHARS = 4096;
/** In a list of finishers: none, whatever group or image say. */
export const NO_FINISHERS = 'none';

interface BuiltIn {
  /** What it may change, in a line. */
  readonly scope: string;
  readonly onError: OnError;
  readonly limitS: number;
}

export const builtInFinishers = {
  hostname: { scope: 'Linux: /etc/hostname and the own name in /etc/hosts', onError: 'fail', limitS: 60 },
  'machine-id': {
    scope: 'Linux: empties /etc/machine-id, so that the first boot makes a new one',
    onError: 'fail',
    limitS: 60,
  },
  'ssh-host-keys': {
    scope: 'Linux: removes /etc/ssh/ssh_host_*_key*; makes new ones if no unit does',
    onError: 'warn',
    limitS: 120,
  },
  'network-leftovers': {
    scope: 'Linux: leases, DUIDs and MAC addresses of the captured machine, the random seed',
    onError: 'warn',
    limitS: 60,
  },
  initramfs: {
    scope: "Linux: its initramfs, built by the system's own program in a chroot, for hardware that is another",
    onError: 'fail',
    limitS: 900,
  },
  boot: {
    scope:
      'places that boot loaders know of (GRUB, EXTLINUX), the EFI fallback path, boot entries; looks for the files of Windows',
    onError: 'warn',
    limitS: 120,
  },
  'computer-name': {
    scope: 'Windows: its name in the registry (SYSTEM: ComputerName, Tcpip)',
    onError: 'fail',
    limitS: 120,
  },
} as const satisfies Record<string, BuiltIn>;
export type BuiltInName = keyof typeof builtInFinishers;

/** One finisher of a task. */
export const finisherStepSchema = Type.Object({
  name: Type.String(),
  /** SHA-256 of an own one, in hex; absent: it is built in. */
  digest: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  /** The own one is no program but a file for this path of the target, its {{placeholders}} filled in. */
  to: Type.Optional(Type.String()),
  onError: onErrorSchema,
  /** Seconds. */
  limitS: Type.Integer({ minimum: 1, maximum: MAX_LIMIT_S }),
});
export type FinisherStep = Static<typeof finisherStepSchema>;

/** What the agent is told with the step `finish`. */
export const finishingSchema = Type.Object({
  steps: Type.Array(finisherStepSchema),
  /** Name of the host, and its number in the session, from 1. */
  host: Type.String(),
  n: Type.Integer({ minimum: 1 }),
  /** What the machine is to call itself; absent: the name of the host. */
  hostname: Type.Optional(Type.String()),
  /** Of the finisher `boot`: network boot entries of UEFI firmware stay before that of the disk. */
  keepNetbootFirst: Type.Optional(Type.Boolean()),
});
export type Finishing = Static<typeof finishingSchema>;

export const finisherResultSchema = Type.Object({
  name: Type.String(),
  /** warned: it failed, and that was allowed · failed: and with it its task. */
  outcome: Type.Union([Type.Literal('done'), Type.Literal('warned'), Type.Literal('failed')]),
  ms: Type.Integer(),
  /** What it said, the last MAX_LOG_CHARS of it. */
  log: Type.String(),
});
export type FinisherResult = Static<typeof finisherResultSchema>;

export function isBuiltIn(name: string): name is BuiltInName {
  return Object.hasOwn(builtInFinishers, name);
}
