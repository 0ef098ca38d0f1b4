/** Shows a plan and asks whether it may be carried out. */
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import { refusedIn } from '#protocol/admin/plan-api.ts';
import { knownError } from '#protocol/errors.ts';
import { confirm, requireAnswerer } from './confirm.ts';
import type { Invocation } from './invocation.ts';
import { disksTaken, renderPlan, takingPart } from './plan-view.ts';
import { countOf } from './size.ts';

export interface PlanQuestion {
  readonly isYes: boolean;
  readonly skipRefused: boolean;
  readPlan(): Promise<DeployPlan>;
}

/** The plan that the admin agreed to. Throws USAGE, PLAN_REFUSED, and Interrupted when the answer is no. */
export async function acceptPlan(invocation: Invocation, question: PlanQuestion): Promise<DeployPlan> {
  const { terminal, isJson, command } = invocation;
  const { isYes, skipRefused } = question;
  requireAnswerer({ terminal, isYes, isJson, what: 'Overwriting disks', command });
  const plan = await question.readPlan();
  if (!isJson) terminal.outLine(renderPlan(plan, (text) => terminal.paint(text, 'bold')));
  if (!isAcceptable(plan, skipRefused))
    throw knownError('PLAN_REFUSED', { what: refusedIn(plan.hosts) ?? 'every host' });
  if (!isYes) {
    const disks = disksTaken(plan);
    terminal.errorLine('');
    const text = disks === 1 ? 'Overwrite this disk?' : `Overwrite these ${countOf(disks, 'disk')}?`;
    await confirm(terminal, text, 'Nothing was started, no disk was touched.');
  }
  return plan;
}

/** Somebody is left to deploy to, and no host or disk is refused that the admin did not agree to leave out. */
export function isAcceptable(plan: Pick<DeployPlan, 'hosts'>, skipRefused: boolean): boolean {
  return takingPart(plan).length > 0 && (skipRefused || refusedIn(plan.hosts) === undefined);
}
