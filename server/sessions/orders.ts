/** The order of a host, from what is in the database and the cast that runs. Pure: the same after a restart. */
import { createHash } from 'node:crypto';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { PowerAction } from '#protocol/admin/host-api.ts';
import type { CastOrder, DeployStep, Order } from '#protocol/agent-api.ts';
import type { CheckContent } from '#protocol/check.ts';
import type { DiskIdentity } from '#protocol/disk.ts';
import type { Finishing } from '#protocol/finisher.ts';
import type { Fit } from '#protocol/fit.ts';
import { canonicalJson } from '#protocol/manifest.ts';
import type { ProbeOrder } from '#protocol/probe.ts';
import type { TaskState } from '#protocol/states.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';

export interface CaptureDefaults {
  readonly chunkBytes: number;
  readonly zstdLevel: number;
}

export type ReleaseAction = 'reboot' | 'poweroff' | 'stay';

/** An order without its rev. `Omit` alone would melt the union. */
type Content<T> = T extends Order ? Omit<T, 'rev'> : never;

/** What beside the rows decides the order of a running task. */
export interface OrderFacts {
  /** The cast that it takes part in, when the daemon runs it. */
  readonly cast: CastOrder | undefined;
  /** The probe that it is to listen to. */
  readonly probe?: ProbeOrder | undefined;
  readonly defaults: CaptureDefaults;
}

/** Order of a running task. */
export function orderOfTask(session: SessionRow, task: TaskRow, facts: OrderFacts): Order {
  const content = contentOf(session, task, facts);
  // The round is not part of every order, but a capture or a wipe that begins again must be a new one.
  return content === undefined ? waitOrder() : withRev(content, task.round);
}

/** Undefined: the task has nothing to do in its state. */
function contentOf(session: SessionRow, task: TaskRow, facts: OrderFacts): Content<Order> | undefined {
  if (session.kind === 'capture') return captureContent(session, task, facts.defaults);
  const { taskId, sessionId, disk } = task;
  if (session.kind === 'wipe') {
    const step = task.state === 'preparing' ? 'check' : task.state === 'finishing' ? 'wipe' : undefined;
    return step && { kind: 'wipe', taskId, sessionId, disk, ...moreDisks(task), method: session.request.method, step };
  }
  if (session.request.audit !== true) return deployContent(session, task, facts);
  if (task.state !== 'preparing') return undefined;
  return {
    ...{ kind: 'audit', taskId, sessionId, manifestId: session.manifestId!, disk },
    ...orderedDisks(task, session.request),
    ...orderedSecrets(session, task),
  };
}

function captureContent(
  session: SessionRow & { kind: 'capture' },
  task: TaskRow,
  defaults: CaptureDefaults,
): Content<Order> | undefined {
  const { request } = session;
  const { taskId, sessionId, state, disk } = task;
  if (state !== 'capturing') return undefined;
  return {
    ...{ kind: 'capture', taskId, sessionId, disk },
    ...moreDisks(task),
    chunkBytes: request.chunkBytes ?? defaults.chunkBytes,
    zstdLevel: request.zstdLevel ?? defaults.zstdLevel,
    ...(request.rescue === true ? { rescue: true } : {}),
    ...orderedSecrets(session, task),
  };
}

function deployContent(
  session: SessionRow & { kind: 'deploy' },
  task: TaskRow,
  { cast, probe }: OrderFacts,
): Content<Order> | undefined {
  const { request, manifestId } = session;
  const { taskId, sessionId, state, disk, finishers, round } = task;
  const step = stepOf(state, cast !== undefined);
  if (step === undefined) return undefined;
  return {
    ...{ kind: 'deploy', taskId, sessionId, manifestId: manifestId!, disk, step, round },
    ...(step === 'prepare' && task.isHashing ? { hash: true } : {}),
    ...(step === 'receive' ? { cast: cast! } : {}),
    ...(step === 'hold' && probe !== undefined ? { probe } : {}),
    ...orderedDisks(task, request),
    ...orderedSecrets(session, task),
    ...(step === 'finish' && request.newIds === true ? { newIds: true } : {}),
    ...(step === 'finish' && request.verify === 'none' ? { unchecked: true } : {}),
    ...(step !== 'finish' || finishers === undefined ? {} : { finishing: finishingOf(request, task) }),
  };
}

function moreDisks({ twins }: TaskRow): { moreDisks?: DiskIdentity[] } {
  return twins === undefined ? {} : { moreDisks: twins.map(({ disk }) => disk) };
}

/** Where the image lies on the disk of the task, and on its twins. */
function orderedDisks({ fit, twins }: TaskRow, request: DeployRequest) {
  if (twins === undefined) return orderedFit(fit, request);
  const others = twins.map(({ fit: own, ...twin }) => ({ ...twin, ...orderedFit(own, request) }));
  return { ...orderedFit(fit, request), twins: others };
}

function orderedFit(fit: Fit | undefined, { grow = 'none' }: DeployRequest) {
  return fit === undefined ? {} : { fit: { ...fit, grow } };
}

function orderedSecrets(session: SessionRow, task: TaskRow): { luksSecrets?: string[] } {
  const names = secretsOfTask(session, task);
  return names === undefined ? {} : { luksSecrets: [...names] };
}

/** The secrets that the task's host is given; undefined: none. */
export function secretsOfTask({ kind, request }: SessionRow, { luksSecrets }: TaskRow): readonly string[] | undefined {
  // Tasks of before 0016-choices.sql have what the whole session says, and so have captures.
  return kind === 'wipe' ? undefined : (luksSecrets ?? request.luksSecrets);
}

function finishingOf(
  { hostname, keepNetbootFirst }: DeployRequest,
  { finishers = [], host, number }: TaskRow,
): Finishing {
  return {
    ...{ steps: [...finishers], host, n: number },
    ...(hostname === undefined ? {} : { hostname }),
    ...(keepNetbootFirst === true ? { keepNetbootFirst } : {}),
  };
}

export function waitOrder(): Order {
  return withRev({ kind: 'wait' }, 0);
}

/** `sessionId` makes the release from one session another order than that from the next. */
export function releaseOrder(action: ReleaseAction, sessionId: number): Order {
  return withRev({ kind: 'release', action }, sessionId);
}

/** The admin's wish for a host without a task. `wishedMs` makes the next wish another order. */
export function powerOrder(action: PowerAction, wishedMs: number): Order {
  return withRev({ kind: 'release', action }, `power ${wishedMs}`);
}

/** A look at a host without a task. */
export function checkOrder(content: CheckContent): Order {
  return withRev({ kind: 'check', ...content }, 0);
}

/**
 * What a host does after its task ended. A failed one stays if nothing is said, so that somebody can look at it. A released one boots its
 * disk, unless the room was to be off afterwards: then it is off.
 */
export function releaseAction(
  state: TaskState,
  policy: { readonly onDone: ReleaseAction; readonly onFailure?: ReleaseAction | undefined },
): ReleaseAction {
  if (state === 'succeeded') return policy.onDone;
  if (state === 'failed') return policy.onFailure ?? 'stay';
  return policy.onDone === 'poweroff' ? 'poweroff' : 'reboot';
}

function stepOf(state: TaskState, hasCast: boolean): DeployStep | undefined {
  switch (state) {
    case 'preparing':
      return 'prepare';
    case 'ready':
      return 'hold';
    case 'receiving':
      return hasCast ? 'receive' : 'hold';
    case 'repairing':
      return 'repair';
    case 'verifying':
      return 'verify';
    case 'finishing':
      return 'finish';
    default:
      return undefined;
  }
}

function withRev(content: Content<Order>, round: number | string): Order {
  const hash = createHash('sha256').update(`${canonicalJson(content)}#${round}`);
  return { ...content, rev: hash.digest('base64url').slice(0, 12) } as Order;
}
