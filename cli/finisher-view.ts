/** What finishers did and said, for people. Pure. */
import type { FinisherResult } from '#protocol/finisher.ts';
import { formatDuration } from './duration.ts';
import { printable } from './terminal.ts';

interface Finished {
  readonly host: string;
  readonly finishers?: readonly FinisherResult[];
}

/** A block a host: each finisher in its order, what became of it, its words below; undefined when none ran. */
export function renderFinishers(hosts: readonly Finished[]): string | undefined {
  const blocks = hosts.flatMap(({ host, finishers = [] }) => {
    if (finishers.length === 0) return [];
    const those = (wanted: FinisherResult['outcome']) =>
      finishers.filter(({ outcome }) => outcome === wanted).map(({ name }) => printable(name));
    const [failed, warned] = [those('failed'), those('warned')];
    const warning = warned.length === 0 ? 'all done' : `WARNING: ${warned.join(', ')} failed`;
    const sum = failed.length === 0 ? warning : `${failed.join(', ')} failed and with it the host`;
    return [[`Finishers on ${printable(host)}, ${sum}:`, ...finishers.flatMap(linesOf)].join('\n')];
  });
  return blocks.length === 0 ? undefined : blocks.join('\n');
}

function linesOf({ name, outcome, ms, log }: FinisherResult): string[] {
  const words = log === '' ? [] : log.split('\n').map((line) => `      ${printable(line)}`);
  return [`  ${printable(name)}: ${outcome} in ${formatDuration(ms / 1000)}`, ...words];
}
