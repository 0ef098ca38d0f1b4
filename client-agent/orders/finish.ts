/**
 * Runs the finishers of a deployment, one after the other, with the system on the disk mounted. One that fails either warns or ends
 * it: then the table is taken off the disk again, so that a machine that is not yet itself never boots (docs/decisions/0002).
 */
import { createHash } from 'node:crypto';
import type { Inventory } from '#protocol/agent-api.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { FinisherResult, FinisherStep, Finishing } from '#protocol/finisher.ts';
import { isBuiltIn } from '#protocol/finisher.ts';
import { fillTemplate, type TemplateValues } from '#protocol/template.ts';
import { clearLabel } from '../disk/layout-writer.ts';
import { builtIns } from '../finishers/built-in.ts';
import type { Finisher, FinisherContext } from '../finishers/finisher.ts';
import { FinisherLog } from '../finishers/finisher-log.ts';
import { runOwnProgram } from '../finishers/own-program.ts';
import { placeFile } from '../finishers/placed-file.ts';
import { withTargetSystem } from '../finishers/target-system.ts';
import type { ServerLink } from '../server-link.ts';

/** A finisher that does not stop when it is told to is given up after this long, in ms. */
const GIVE_UP_MS = 15_000;

export interface FinishOptions
  extends Pick<FinisherContext, 'disk' | 'hardwarePath' | 'manifest' | 'changes' | 'signal'> {
  readonly link: Pick<ServerLink, 'readFinisher'>;
  readInventory(): Promise<Inventory>;
}

/** FINISHER_FAILED, with what each that ran has said; the one that failed is the last. */
export class FinisherFailure extends KnownError {
  readonly results: readonly FinisherResult[];

  constructor(error: KnownError, results: readonly FinisherResult[]) {
    super(error.toBody(), { cause: error.cause });
    this.results = results;
  }
}

/** May be repeated. Throws FinisherFailure (the disk has no table then), FINISHER_FAILED, PROGRAM_FAILED, AbortError. */
export async function runFinishers(finishing: Finishing | undefined, o: FinishOptions): Promise<FinisherResult[]> {
  if (finishing === undefined || finishing.steps.length === 0) return [];
  const { disk, manifest, changes, signal } = o;
  try {
    // All are here before the first one changes anything.
    const own = new Map<FinisherStep, Buffer>();
    for (const step of finishing.steps) {
      if (step.digest !== undefined) own.set(step, await fetchOwn(step.name, step.digest, o));
    }
    const machine = await o.readInventory();
    const values = valuesOf(finishing, machine);
    const { firmware } = machine;
    const keepNetbootFirst = finishing.keepNetbootFirst === true;
    return await withTargetSystem(disk, manifest.volumes, changes, async (system, whyNoSystem) => {
      const results: FinisherResult[] = [];
      for (const step of finishing.steps) {
        signal.throwIfAborted();
        const work = workOf(step, own.get(step));
        const context = { ...o, system, whyNoSystem, values, firmware, keepNetbootFirst };
        const { result, error } = await runOne(step, work, context);
        results.push(result);
        if (error !== undefined) throw new FinisherFailure(error, results);
      }
      return results;
    });
  } catch (error) {
    await clearLabel(disk);
    throw error;
  }
}

/** Throws FINISHER_FAILED when it is not what the order says. */
async function fetchOwn(name: string, digest: string, { link, signal }: FinishOptions): Promise<Buffer> {
  const bytes = await link.readFinisher(digest, signal);
  if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes;
  throw knownError('FINISHER_FAILED', { finisher: name, reason: 'what the server sent has another digest' });
}

/** Pure. */
export function valuesOf(
  { host, n, hostname }: Finishing,
  { serial, mac }: Pick<Inventory, 'serial' | 'mac'>,
): TemplateValues {
  const values = { hostname: host, serial, mac, n };
  return hostname === undefined ? values : { ...values, hostname: fillTemplate(hostname, values) };
}

/** What a step does; `say` of the context has its words. */
type Work = (context: FinisherContext, log: FinisherLog) => Promise<void>;

function workOf(step: FinisherStep, bytes: Buffer | undefined): Work {
  const { name, to } = step;
  if (bytes !== undefined && to !== undefined) return (context) => placeFile(to, bytes, context);
  if (bytes !== undefined) return (context, log) => runOwnProgram(bytes, context, (words) => log.add(words));
  const builtIn: Finisher | undefined = isBuiltIn(name) ? builtIns[name] : undefined;
  if (builtIn === undefined) throw knownError('AGENT_FAILED', { reason: `it has no finisher ${name}` });
  return builtIn;
}

async function runOne(
  { name, onError, limitS }: FinisherStep,
  work: Work,
  context: Omit<FinisherContext, 'say'>,
): Promise<{ result: FinisherResult; error?: KnownError }> {
  const log = new FinisherLog();
  const begunMs = performance.now();
  const tooLong = AbortSignal.timeout(limitS * 1000);
  const signal = AbortSignal.any([context.signal, tooLong]);
  try {
    const working = work({ ...context, signal, say: (line) => log.say(line) }, log);
    await untilGivenUp(working, signal);
    return { result: { name, outcome: 'done', ms: Math.round(performance.now() - begunMs), log: log.text } };
  } catch (error) {
    context.signal.throwIfAborted();
    const reason = tooLong.aborted ? `it took longer than ${limitS} s` : reasonOf(error);
    const words = log.lastLine === '' ? reason : `${reason}: ${log.lastLine}`;
    log.say(`failed: ${reason}`);
    const outcome = onError === 'fail' ? 'failed' : 'warned';
    const result: FinisherResult = { name, outcome, ms: Math.round(performance.now() - begunMs), log: log.text };
    if (onError === 'warn') return { result };
    return { result, error: knownError('FINISHER_FAILED', { finisher: name, reason: words }, { cause: error }) };
  }
}

/** The end of the work, or the signal's reason when it still goes on long after the signal. */
async function untilGivenUp(working: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const abort = () => {
    timer = setTimeout(() => reject(signal.reason), GIVE_UP_MS);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([working, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof KnownError || error instanceof Error) return error.message;
  return String(error);
}
