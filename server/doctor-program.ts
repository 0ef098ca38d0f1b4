/** `doctor` of the server's program: looks at this machine alone, with or without a daemon. */
import type { DoctorLine } from '#protocol/admin/doctor-api.ts';
import { systemClock } from '#system/clock.ts';
import type { Config } from './config.ts';

/** Prints lines of JSON, the last one `done`. Changes nothing. */
export async function printServerCheck(config: Config): Promise<void> {
  const print = (line: DoctorLine) => process.stdout.write(`${JSON.stringify(line)}\n`);
  // Loaded only here, so that the other commands answer at once.
  const { lookAtServer } = await import('./doctor/server-facts.ts');
  const { judgeServer } = await import('./doctor/server-rules.ts');
  print({ doing: 'looking at this machine, and listening for DHCP servers and an IGMP querier' });
  const { signal } = new AbortController();
  const facts = await lookAtServer({ config, isDaemon: false, clock: systemClock, signal });
  for (const finding of judgeServer(facts)) print({ finding });
  print({ done: true });
}
