/** The findings of the doctor, for people: a line each; what is all right at a host, in one line. Pure. */
import type { Finding, FindingLevel } from '#protocol/admin/doctor-api.ts';
import { renderTable } from './table.ts';
import type { Terminal, Tone } from './terminal.ts';

const tones: Readonly<Record<FindingLevel, Tone>> = { ok: 'good', note: 'dim', attention: 'bad', unchecked: 'warn' };

/** The table, what to do about each line that is not ok, and one sentence at the end. */
export function describeFindings(findings: readonly Finding[], terminal: Pick<Terminal, 'paint'>): string {
  const rows = shorten(findings);
  const table = renderTable(
    ['WHERE', 'CHECK', 'STATE', 'FOUND'],
    rows.map(({ host, check, level, text }) => [host ?? 'server', check, level, text]),
    { paintHead: (text) => terminal.paint(text, 'bold') },
  );
  const [head = '', ...lines] = table.split('\n');
  const withNext = lines.flatMap((line, i) => {
    const { next, level } = rows[i]!;
    const painted = level === 'ok' ? line : terminal.paint(line, tones[level]);
    return next === undefined ? [painted] : [painted, `    Next: ${next}`];
  });
  return [head, ...withNext, '', summary(findings)].join('\n');
}

/** The server first, then the hosts by name. The good findings of a host become one, so that forty hosts fit on a screen. */
export function shorten(findings: readonly Finding[]): Finding[] {
  const names = [...new Set(findings.flatMap(({ host }) => host ?? []))].sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  return [undefined, ...names].flatMap((host) => {
    const own = findings.filter((finding) => finding.host === host);
    if (host === undefined) return own;
    const good = own.filter(({ level }) => level === 'ok');
    const rest = own.filter(({ level }) => level !== 'ok');
    if (good.length === 0) return rest;
    const said = rest.length === 0 ? good.map(({ text }) => text) : good.map(({ check }) => check);
    return [
      ...rest,
      { host, check: rest.length === 0 ? 'all' : 'the rest', level: 'ok' as const, text: said.join('; ') },
    ];
  });
}

function summary(findings: readonly Finding[]): string {
  const count = (level: FindingLevel) => findings.filter((finding) => finding.level === level).length;
  const unchecked = count('unchecked') === 0 ? '' : `; ${count('unchecked')} could not be checked`;
  const bad = count('attention');
  if (bad === 0) return `Nothing needs attention${unchecked}.`;
  return `${bad} ${bad === 1 ? 'finding needs' : 'findings need'} attention${unchecked}.`;
}
