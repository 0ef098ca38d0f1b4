/** What the cast of a pass is to the sender, to the agents and to the admin. Pure. */
import { join } from 'node:path';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { CastView } from '#protocol/admin/session-api.ts';
import type { CastOrder } from '#protocol/agent-api.ts';
import type { Config } from '../config.ts';
import type { SessionRow } from '../db/session-row.ts';
import type { CastProgress } from '../transfer/cast.ts';
import type { FramePlan } from '../transfer/frame-source.ts';
import type { CastPorts } from '../transfer/port-allocator.ts';
import type { SenderPlan } from '../transfer/udp-sender-args.ts';
import type { Now } from './live-session.ts';

/** A host that was told to join and has not: the others wait for it so long after the first has joined. */
const MAX_WAIT_S = 15;

/** A pass's cast before it begins. */
export interface PassCast {
  readonly castId: string;
  readonly nonce: Buffer;
  readonly ports: CastPorts;
  readonly plan: FramePlan;
  readonly receivers: number;
  /** What the slowest link of its hosts carries, in Mbit/s; absent: more than the server sends. */
  readonly linkMbit?: number | undefined;
}

/** What the admin asked for; undefined: it is no deployment. */
export function requestOf(row: SessionRow): DeployRequest | undefined {
  return row.kind === 'deploy' ? row.request : undefined;
}

export function modeOf(row: SessionRow): SenderPlan['mode'] {
  const mode = requestOf(row)?.mode;
  return mode === 'broadcast' || mode === 'oneway' ? mode : 'multicast';
}

/** The lowest of the caps of session, config and links holds. A one-way cast waits for nobody: whose link is too slow keeps holes. */
export function senderPlanOf(
  row: SessionRow,
  { castId, ports, receivers, linkMbit }: PassCast,
  networkInterface: string,
  config: Config,
): SenderPlan {
  const { maxMbit: asked, fec } = requestOf(row) ?? {};
  const mode = modeOf(row);
  const ofLinks = mode === 'oneway' ? undefined : linkMbit;
  const caps = [asked, config.cast.maxMbit, ofLinks].filter((cap) => cap !== undefined);
  const { rdvAddress, ttl, startTimeoutS, retriesUntilDrop } = config.cast;
  return {
    mode,
    fec,
    interface: networkInterface,
    ...ports,
    rdvAddress,
    ttl,
    receivers,
    maxWaitS: MAX_WAIT_S,
    startTimeoutS,
    retriesUntilDrop,
    maxMbit: caps.length === 0 ? undefined : Math.min(...caps),
    logPath: join(config.daemon.dataDir, 'casts', `${castId}.log`),
  };
}

/** What its hosts are told. */
export function castOrderOf(row: SessionRow, { castId, nonce, ports, plan }: PassCast, config: Config): CastOrder {
  const mode = modeOf(row);
  const { rdvAddress, startTimeoutS, receiveTimeoutS } = config.cast;
  return {
    castId,
    nonce: nonce.toString('hex'),
    portBase: ports.portBase,
    ...(mode === 'broadcast' ? {} : { rdvAddress }),
    ...(mode === 'oneway' ? { isOneWay: true } : {}),
    startTimeoutS,
    receiveTimeoutS,
    frames: plan.frames,
    bytes: plan.bytes,
  };
}

export function castViewOf({ castId, plan, receivers }: PassCast, pass: number, nowMs: number): CastView {
  return { castId, pass, receivers, frames: plan.frames, bytes: plan.bytes, sentBytes: 0, startedAtMs: nowMs };
}

/** `began`: the pass, by both clocks. What it takes is measured by the one that never jumps: later decisions rest on its pace. */
export function withProgress(view: CastView, progress: CastProgress, began: Now): CastView {
  const { sentBytes, retransmits, startedSteadyMs } = progress;
  return {
    ...view,
    sentBytes,
    retransmits,
    ...(startedSteadyMs === undefined ? {} : { firstByteAtMs: readableMs(startedSteadyMs, began) }),
  };
}

/** A moment after `began` for people, who read `began` as it was then. */
export function readableMs(steadyMs: number, began: Now): number {
  return Math.round(began.nowMs + Math.max(0, steadyMs - began.steadyMs));
}
