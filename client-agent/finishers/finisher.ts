/** What a finisher gets, and what it is. */
import type { Disk } from '#protocol/disk.ts';
import type { FitChange } from '#protocol/fit.ts';
import type { Manifest } from '#protocol/manifest.ts';
import type { TemplateValues } from '#protocol/template.ts';
import { RootFolder } from './root-folder.ts';
import type { TargetSystem } from './target-system.ts';

export interface FinisherContext {
  readonly disk: Disk;
  /** Node of the disk itself, where that of `disk` is one that shows its LUKS containers open: efibootmgr(8) asks the kernel for its hardware. */
  readonly hardwarePath?: string;
  /** With the volumes where they lie on this disk. */
  readonly manifest: Manifest;
  /** What lies elsewhere or is larger than on the source. */
  readonly changes: readonly FitChange[];
  /** Mounted; undefined: none was found, for these reasons. */
  readonly system: TargetSystem | undefined;
  readonly whyNoSystem: readonly string[];
  /** `hostname` is what the machine is to call itself. */
  readonly values: TemplateValues;
  readonly firmware: 'bios' | 'uefi' | 'light';
  /** Network boot entries of the firmware stay before that of the disk. */
  readonly keepNetbootFirst: boolean;
  /** Fires at its time limit and when the task is stopped. */
  readonly signal: AbortSignal;
  /** One line for the admin. */
  say(line: string): void;
}

/** May be repeated. Throws when what it is for could not be done. */
export type Finisher = (context: FinisherContext) => Promise<void>;

/** A finisher for Linux. Throws an Error when there is no Linux. */
export function onLinux(work: (root: RootFolder, context: FinisherContext) => Promise<void>): Finisher {
  return async (context) => work(rootOf(context, 'linux'), context);
}

/** A finisher for Windows. Throws an Error when there is no Windows. */
export function onWindows(work: (root: RootFolder, context: FinisherContext) => Promise<void>): Finisher {
  return async (context) => work(rootOf(context, 'windows'), context);
}

function rootOf({ system, whyNoSystem }: FinisherContext, kind: TargetSystem['kind']): RootFolder {
  const name = { linux: 'Linux', windows: 'Windows' };
  if (system?.kind === kind) return new RootFolder(system.root);
  const found = system === undefined ? whyNoSystem.join('; ') : `it is ${name[system.kind]}`;
  throw new Error(`no ${name[kind]} was found on the disk (${found})`);
}
