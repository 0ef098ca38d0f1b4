/** What the demo tells at its end: a table for people and one line of JSON for programs. Pure. */
import Table from 'cli-table3';
import type { ImageView } from '#protocol/admin/image-api.ts';
import type { CastView, SessionView, TaskView } from '#protocol/admin/session-api.ts';
import type { BareCast } from './bare-cast.ts';
import type { CheckResult } from './foreign-check.ts';

export interface HostOutcome {
  readonly name: string;
  readonly task: TaskView | undefined;
  /** Lines of its file trees that were compared. */
  readonly files: number;
  readonly problems: readonly string[];
  readonly isRight: boolean;
}

/** What a virtual machine did with its restored disk. */
export interface VmOutcome {
  readonly name: string;
  readonly firmware: string;
  /** What the restored system said on the serial console; undefined: nothing. */
  readonly line: string | undefined;
}

export interface DemoFacts {
  readonly session: SessionView;
  readonly image: ImageView;
  readonly bare: BareCast | undefined;
  readonly outcomes: readonly HostOutcome[];
  readonly vms: readonly VmOutcome[];
  readonly linkMbit: number;
  readonly demoSeconds: number;
}

export interface DemoJson {
  readonly hosts: number;
  /** How many of the hosts are virtual machines. */
  readonly vms: number;
  /** Virtual machines whose restored system said its line. */
  readonly vmsBooted: number;
  /** By the daemon's word. */
  readonly succeeded: number;
  /** By the word of foreign programs. */
  readonly verified: number;
  /** Used bytes of the disk. */
  readonly imageBytes: number;
  /** Bytes given to udp-sender, all passes together; retransmits not counted. */
  readonly wireBytes: number;
  /** Bytes of disk that came over HTTP instead. */
  readonly httpBytes: number;
  /** From the first byte that udp-sender sent to its end, all passes together. */
  readonly castSeconds: number;
  /** From the order to the end of the last host: gathering, cast, repair, reading back, layout. */
  readonly totalSeconds: number;
  /** Time of the bare programs divided by that of the first pass: 1 is as quick as udpcast alone. Null: no cast. */
  readonly castEfficiency: number | null;
  readonly bareSeconds: number | null;
  readonly passes: number;
  readonly linkMbit: number;
  /** Everything, from the empty machine to the last check. */
  readonly demoSeconds: number;
}

const MIB = 1024 * 1024;

/** What became of a host: by the daemon's word, foreign programs' and, for a virtual machine, its own. */
export function outcomeOf(
  name: string,
  session: SessionView,
  check: CheckResult,
  booted: readonly VmOutcome[],
): HostOutcome {
  const task = session.tasks.find(({ host }) => host === name);
  const isSilent = booted.some((vm) => vm.name === name && vm.line === undefined);
  const problems = [
    ...(task?.state === 'succeeded' ? [] : [task?.error?.message ?? 'took no part']),
    ...check.problems,
    ...(isSilent ? ['what was restored said nothing on the serial console'] : []),
  ];
  return { name, task, files: check.files, problems, isRight: problems.length === 0 };
}

export function demoTable(outcomes: readonly HostOutcome[]): string {
  const table = new Table({
    head: ['host', 'disk', 'daemon says', 'by cast', 'by HTTP', 'read back', 'entries equal', 'foreign check'],
    style: { head: [], border: [] },
  });
  for (const { name, task, files, problems } of outcomes) {
    const result = task?.deployResult;
    table.push([
      name,
      task?.disk.serial ?? '',
      task?.state ?? 'no task',
      result ? mib(result.castBytes) : '',
      result ? mib(result.httpBytes) : '',
      result ? `${result.verifiedChunks} chunks` : '',
      String(files),
      problems.length === 0 ? 'right' : problems.join('\n'),
    ]);
  }
  return table.toString();
}

export function demoSummary(facts: DemoFacts): { lines: string[]; json: DemoJson } {
  const { session, image, bare, outcomes, vms, linkMbit } = facts;
  const first = session.casts[0];
  const firstSeconds = first ? secondsOf(first) : undefined;
  const results = outcomes.flatMap(({ task }) => task?.deployResult ?? []);
  const json: DemoJson = {
    hosts: outcomes.length,
    vms: vms.length,
    vmsBooted: vms.filter(({ line }) => line !== undefined).length,
    succeeded: outcomes.filter(({ task }) => task?.state === 'succeeded').length,
    verified: outcomes.filter(({ isRight }) => isRight).length,
    imageBytes: image.versions[0]?.usedBytes ?? 0,
    wireBytes: session.casts.reduce((sum, cast) => sum + cast.sentBytes, 0),
    httpBytes: results.reduce((sum, { httpBytes }) => sum + httpBytes, 0),
    castSeconds: round(session.casts.reduce((sum, cast) => sum + (secondsOf(cast) ?? 0), 0)),
    totalSeconds: round(((session.endedAtMs ?? session.createdAtMs) - session.createdAtMs) / 1000),
    castEfficiency: bare && firstSeconds ? round(bare.seconds / firstSeconds) : null,
    bareSeconds: bare ? round(bare.seconds) : null,
    passes: session.casts.length,
    linkMbit,
    demoSeconds: round(facts.demoSeconds),
  };
  const lines = [
    ...vms.map(({ name, firmware, line }) => `${name} (${firmware}), serial console: ${line ?? 'NOTHING'}`),
    ...(vms.length === 0 ? [] : [`${json.vmsBooted} of ${json.vms} virtual machines booted what was restored.`]),
    `${json.verified} of ${json.hosts} hosts have the image: partition table, filesystems and every file are equal to the golden disk's.`,
    `${mib(json.imageBytes)} of disk went as ${mib(json.wireBytes)} over a ${linkMbit} Mbit/s link in ${json.castSeconds} s; ` +
      `from the order to the last verified host: ${json.totalSeconds} s.`,
    json.castEfficiency === null
      ? 'Nothing was cast.'
      : `udp-sender alone takes ${json.bareSeconds} s for the same bytes: the cast ran at ${Math.round(json.castEfficiency * 100)} % of its speed.`,
  ];
  return { lines, json };
}

/** Undefined when the cast did not begin or has not ended. */
function secondsOf(cast: CastView): number | undefined {
  if (cast.firstByteAtMs === undefined || cast.endedAtMs === undefined) return undefined;
  return (cast.endedAtMs - cast.firstByteAtMs) / 1000;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
