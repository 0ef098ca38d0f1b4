/**
 * One read transfer as a pure state machine: what came and what time it is go in, what to send comes out.
 *
 * A window of blocks is sent, then the ACK of its last block is awaited (RFC 7440 §4; RFC 1350 is a window of one). An ACK
 * from the middle of the window says what is missing: sending goes on behind it. An ACK that was seen before never makes
 * the server send: else one doubled packet would double every later one (the Sorcerer's Apprentice, RFC 1123 §4.2.3.1). So
 * only time repeats a window, and that time is measured, as in TCP (RFC 6298).
 */
import type { TransferTerms } from './negotiation.ts';

/** Until the way there and back was measured, and where the client named no time-out. */
const FIRST_WAIT_MS = 1000;
const LEAST_WAIT_MS = 200;
const MOST_WAIT_MS = 8000;
/** Repeats without an ACK in between, until the client is given up: with doubling waits some 15 to 45 s. */
const MAX_REPEATS = 6;

/** Blocks are counted from 1 without end; on the wire they are taken modulo 65536 (0 follows 65535). */
export interface TransferState {
  readonly terms: TransferTerms;
  /** Number of the last block: the one that is shorter than the rest, maybe empty. */
  readonly lastBlock: number;
  /** −1: the OACK is not acknowledged yet. */
  readonly acked: number;
  /** Last block that was sent; 0: none, or the OACK. */
  readonly sent: number;
  readonly repeats: number;
  /** When the open window was sent for the first time. */
  readonly sentMs: number;
  /** When it is sent again. */
  readonly dueMs: number;
  /** From sending to sending again: measured, and doubled by every repeat until a window goes through at once (RFC 6298 §5). */
  readonly waitMs: number;
  /** Smoothed time from a window to its ACK, and its variation; absent before the first measurement. */
  readonly roundTrip?: { readonly smoothMs: number; readonly varianceMs: number };
}

export type TransferStep =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'send-option-ack' }
  /** Both included. */
  | { readonly kind: 'send-blocks'; readonly first: number; readonly last: number }
  | { readonly kind: 'end'; readonly outcome: 'complete' | 'client-silent' };

export interface Transition {
  readonly state: TransferState;
  readonly step: TransferStep;
}

/** The first answer to a read request. */
export function beginTransfer(terms: TransferTerms, fileBytes: number, nowMs: number): Transition {
  const waitMs = terms.timeoutS === undefined ? FIRST_WAIT_MS : terms.timeoutS * 1000;
  const hasOptions = terms.acknowledged.size > 0;
  const state: TransferState = {
    terms,
    lastBlock: Math.floor(fileBytes / terms.blockBytes) + 1,
    acked: hasOptions ? -1 : 0,
    sent: 0,
    repeats: 0,
    sentMs: nowMs,
    dueMs: nowMs + waitMs,
    waitMs,
  };
  return hasOptions ? { state, step: { kind: 'send-option-ack' } } : sendWindow(state, nowMs);
}

/** `block` is the number on the wire, 0 to 65535. */
export function takeAck(state: TransferState, block: number, nowMs: number): Transition {
  const ahead = (block - state.acked) & 0xffff;
  const acked = state.acked + ahead;
  if (ahead === 0 || acked > state.sent) return { state, step: { kind: 'nothing' } };
  if (acked === state.lastBlock) return { state: { ...state, acked }, step: { kind: 'end', outcome: 'complete' } };
  return sendWindow({ ...measured(state, nowMs), acked, repeats: 0 }, nowMs);
}

/** Called at `dueMs` or later; does nothing before. */
export function takeTimeout(state: TransferState, nowMs: number): Transition {
  if (nowMs < state.dueMs) return { state, step: { kind: 'nothing' } };
  if (state.repeats >= MAX_REPEATS) return { state, step: { kind: 'end', outcome: 'client-silent' } };
  const waitMs = Math.min(MOST_WAIT_MS, state.waitMs * 2);
  const again = { ...state, repeats: state.repeats + 1, waitMs, dueMs: nowMs + waitMs };
  if (state.acked < 0) return { state: again, step: { kind: 'send-option-ack' } };
  return { state: again, step: { kind: 'send-blocks', first: state.acked + 1, last: state.sent } };
}

function sendWindow(state: TransferState, nowMs: number): Transition {
  const last = Math.min(state.lastBlock, state.acked + state.terms.windowBlocks);
  return {
    state: { ...state, sent: last, sentMs: nowMs, dueMs: nowMs + state.waitMs },
    step: { kind: 'send-blocks', first: state.acked + 1, last },
  };
}

/** A window that was repeated measures nothing: nobody knows which of the two was acknowledged (Karn; RFC 6298 §3). */
function measured(state: TransferState, nowMs: number): TransferState {
  if (state.repeats > 0) return state;
  const roundTrip = smooth(state.roundTrip, nowMs - state.sentMs);
  const waitMs = Math.min(MOST_WAIT_MS, Math.max(LEAST_WAIT_MS, roundTrip.smoothMs + 4 * roundTrip.varianceMs));
  return { ...state, roundTrip, waitMs };
}

/** RFC 6298 §2. */
function smooth(known: TransferState['roundTrip'], sampleMs: number): NonNullable<TransferState['roundTrip']> {
  if (known === undefined) return { smoothMs: sampleMs, varianceMs: sampleMs / 2 };
  const { smoothMs, varianceMs } = known;
  return {
    smoothMs: smoothMs + (sampleMs - smoothMs) / 8,
    varianceMs: varianceMs + (Math.abs(sampleMs - smoothMs) - varianceMs) / 4,
  };
}
