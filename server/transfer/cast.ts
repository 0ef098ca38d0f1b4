/**
 * Runs one cast: udp-sender, fed from the frame source, under a watchdog. Its outcome is for people and for the choice of what
 * to try next; whether a host has succeeded only its own holes say.
 */
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import { execa, type Result } from 'execa';
import type { Clock } from '#system/clock.ts';
import { LogTail } from './log-tail.ts';
import { Pacer } from './rate-share.ts';
import { type SenderPlan, udpSenderArgs } from './udp-sender-args.ts';
import { LineCutter, momentOf, readSenderLine, type SenderLine } from './udp-sender-output.ts';

export interface CastOptions {
  readonly sender: SenderPlan;
  readonly frames: AsyncIterable<Buffer>;
  /** Ends the cast: SIGTERM, and SIGKILL 2 s later, because udp-sender blocks SIGTERM while a receiver stalls. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** The cast is ended when nothing moves for so long, in ms. */
  readonly stallLimitMs: number;
  /** So much more before the transfer begins, in ms: the hosts still join. */
  readonly startLimitMs?: number;
  /** What it may send now, in Mbit/s; undefined: as much as udp-sender takes. It may change while the cast runs. */
  mbit?(): number | undefined;
  onProgress?(progress: CastProgress): void;
  /** udp-sender has said whom it waited for. */
  onWait?(wait: SenderWait): void;
}

/** Whom udp-sender waited for, as far as it tells: every tenth of a second at most about a slice, and each long wait. */
export interface SenderWait {
  /** By the steady clock. */
  readonly atMs: number;
  /** Addresses: who acknowledged a slice last; of a long wait all who have not yet. */
  readonly addresses: readonly string[];
  /** It waits several times longer than it usually does. */
  readonly isLong: boolean;
  readonly sentBytes: number;
  /** Packets, since the cast began. */
  readonly retransmits: number;
  /**
   * How long it would not take what it was to send, since the cast began, in ms. In the rest of the time the cast was held by
   * what feeds it: its share of the interface, or the server's disk.
   */
  readonly fullMs: number;
}

export interface CastProgress {
  /** Bytes that udp-sender took, frame headers included. */
  readonly takenBytes: number;
  /** Bytes that it says it has sent to everybody; until it says so for the first time, what it took. */
  readonly sentBytes: number;
  /** Addresses of the hosts that joined, and of those that udp-sender dropped. */
  readonly joined: readonly string[];
  readonly dropped: readonly string[];
  readonly retransmits: number;
  /** When the transfer began, by the steady clock: all had joined, or the waiting was over. */
  readonly startedSteadyMs?: number;
}

export interface CastEnd extends CastProgress {
  /** sent: it took every byte and ended by itself. It does not mean that a host has it. */
  readonly outcome: 'sent' | 'nobody-came' | 'aborted' | 'stalled' | 'failed';
  /** One clause for people. */
  readonly text: string;
}

/** Pieces in which bytes are given to the pipe: how finely progress, and so a stall, is seen. */
const PIECE_BYTES = 128 * 1024;
const KILL_AFTER_MS = 2000;
const LOOK_EVERY_MS = 500;

/** Never throws for what udp-sender does; throws what `frames` throws, after ending udp-sender. */
export async function runCast(options: CastOptions): Promise<CastEnd> {
  const { sender } = options;
  await mkdir(dirname(sender.logPath), { recursive: true });
  const run = new CastRun(options);
  const end = new AbortController();
  const signal = AbortSignal.any([options.signal, end.signal]);
  // A daemon that is killed must not leave a sender behind. KILL, because TERM is blocked while a receiver stalls.
  const child = execa('setpriv', ['--pdeathsig', 'KILL', '--', ...udpSenderArgs(sender)], {
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    cancelSignal: signal,
    forceKillAfterDelay: KILL_AFTER_MS,
    // The log gives times of day only.
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => run.readStderr(text));
  const watching = watch(run, options, end, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  let sourceError: unknown;
  const pacer = new Pacer(options.clock, () => options.mbit?.());
  const feeding = feed(child.stdin, options.frames, run, (bytes) => pacer.take(bytes, signal)).catch(
    (error: unknown) => {
      // A sender that ends closes its pipe: how it ended tells more than EPIPE.
      if (isBrokenPipe(error) || signal.aborted) return;
      sourceError = error;
      end.abort();
    },
  );
  const result = await child;
  await feeding;
  if (!end.signal.aborted) end.abort();
  await watching;
  await run.readLog();
  await rm(sender.logPath, { force: true });
  if (sourceError !== undefined) throw sourceError;

  return endOf(run, result, options);
}

/** How it ended, when nothing is wrong with the frames. */
function endOf(
  run: CastRun,
  result: Pick<Result, 'exitCode' | 'signal' | 'code'>,
  { sender, signal, stallLimitMs }: CastOptions,
): CastEnd {
  const progress = run.progress();
  const ending = (outcome: CastEnd['outcome'], text: string): CastEnd => ({ ...progress, outcome, text });
  if (signal.aborted) return ending('aborted', 'stopped by the server');
  if (run.isStalled) return ending('stalled', `nothing moved for ${Math.round(stallLimitMs / 1000)} s`);
  if (result.exitCode !== 0) {
    const how = result.signal ?? (result.exitCode === undefined ? result.code : `exit code ${result.exitCode}`);
    return ending('failed', `udp-sender ended with ${how}: ${run.lastWords() || 'it printed nothing'}`);
  }
  if (run.joinedCount === 0 && sender.mode !== 'oneway') return ending('nobody-came', 'no host joined');
  if (!run.isFed) return ending('failed', `udp-sender ended by itself after ${progress.takenBytes} bytes`);
  const text = progress.dropped.length > 0 ? 'sent, with hosts dropped' : 'sent';
  return { ...ending('sent', text), sentBytes: progress.takenBytes };
}

/** What is known of a running cast. */
class CastRun {
  readonly #options: CastOptions;
  #stderr = new LineCutter();
  readonly #log: LogTail;
  #lastLines: string[] = [];
  #addresses = new Map<number, string>();
  #dropped = new Set<number>();
  #takenBytes = 0;
  #sentBytes: number | undefined;
  #retransmits = 0;
  #startedSteadyMs: number | undefined;
  #movedAtMs: number;
  #fullMs = 0;
  /** Its pipe is being written to. */
  #givingSinceMs: number | undefined;
  isFed = false;
  isStalled = false;

  constructor(options: CastOptions) {
    this.#options = options;
    this.#log = new LogTail(options.sender.logPath);
    this.#movedAtMs = options.clock.steadyMs();
  }

  /** All have joined, or the waiting is over. */
  get hasStarted(): boolean {
    return this.#startedSteadyMs !== undefined;
  }

  get joinedCount(): number {
    return this.#addresses.size;
  }

  progress(): CastProgress {
    return {
      takenBytes: this.#takenBytes,
      // Its own numbers become coarse from 1e9 on (K) and must not run ahead.
      sentBytes: Math.min(this.#sentBytes ?? this.#takenBytes, this.#takenBytes),
      joined: [...this.#addresses.values()],
      dropped: [...this.#dropped].map((receiver) => this.#addresses.get(receiver) ?? `#${receiver}`),
      retransmits: this.#retransmits,
      ...(this.#startedSteadyMs === undefined ? {} : { startedSteadyMs: this.#startedSteadyMs }),
    };
  }

  lastWords(): string {
    return this.#lastLines.join(' | ');
  }

  /** Bytes are about to be written to its pipe. */
  gives(): void {
    this.#givingSinceMs = this.#options.clock.steadyMs();
  }

  took(bytes: number): void {
    this.#fullMs = this.#fullSoFarMs();
    this.#givingSinceMs = undefined;
    this.#takenBytes += bytes;
    this.#moved();
  }

  readStderr(text: string): void {
    for (const line of this.#stderr.push(text)) {
      const read = readSenderLine(line);
      if (read === undefined) this.#lastLines = [...this.#lastLines, line].slice(-3);
      else this.#apply(read);
    }
  }

  /** The log says what stderr does not: the start, who is waited for long, and who was dropped. */
  async readLog(): Promise<void> {
    for (const line of await this.#log.read()) {
      const read = readSenderLine(line);
      if (read !== undefined) this.#apply(read);
    }
  }

  /** How long nothing has moved, in ms. */
  stalledForMs(): number {
    return this.#options.clock.steadyMs() - this.#movedAtMs;
  }

  #apply(line: SenderLine): void {
    switch (line.kind) {
      case 'joined':
        this.#addresses.set(line.receiver, line.address);
        break;
      case 'progress':
        this.#retransmits = line.retransmits;
        if (line.bytes === this.#sentBytes) return;
        this.#sentBytes = line.bytes;
        this.#tellWait(this.#options.clock.steadyMs(), [line.lastReceiver], false);
        break;
      case 'awaited':
        // It moves nothing.
        this.#tellWait(this.#steadyMomentOf(line.daySeconds), line.receivers, true);
        return;
      case 'started':
        this.#startedSteadyMs = this.#steadyMomentOf(line.daySeconds);
        break;
      case 'dropped':
        this.#dropped.add(line.receiver);
        break;
    }
    this.#moved();
  }

  #steadyMomentOf(daySeconds: number): number {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    return clock.steadyMs() - (nowMs - momentOf(daySeconds, nowMs));
  }

  #tellWait(atMs: number, receivers: readonly number[], isLong: boolean): void {
    const addresses = receivers.map((receiver) => this.#addresses.get(receiver)).filter((one) => one !== undefined);
    const { sentBytes, retransmits } = this.progress();
    this.#options.onWait?.({ atMs, addresses, isLong, sentBytes, retransmits, fullMs: this.#fullSoFarMs() });
  }

  #fullSoFarMs(): number {
    const nowMs = this.#options.clock.steadyMs();
    return this.#fullMs + nowMs - (this.#givingSinceMs ?? nowMs);
  }

  #moved(): void {
    this.#movedAtMs = this.#options.clock.steadyMs();
    this.#options.onProgress?.(this.progress());
  }
}

/** Ends the cast when nothing moves. */
async function watch(run: CastRun, options: CastOptions, end: AbortController, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await options.clock.sleep(LOOK_EVERY_MS, signal);
    await run.readLog();
    const moreMs = run.hasStarted ? 0 : (options.startLimitMs ?? 0);
    if (run.stalledForMs() <= options.stallLimitMs + moreMs) continue;
    run.isStalled = true;
    end.abort();
  }
}

async function feed(
  stdin: Writable,
  frames: AsyncIterable<Buffer>,
  run: CastRun,
  untilAllowed: (bytes: number) => Promise<void>,
): Promise<void> {
  // Errors come to whoever writes; a pipe that breaks between two writes must not end the daemon.
  stdin.on('error', () => {});
  for await (const bytes of frames) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      await untilAllowed(piece.length);
      run.gives();
      await write(stdin, piece);
      run.took(piece.length);
    }
  }
  stdin.end();
  run.isFed = true;
}

/** Resolves when the pipe has taken the bytes: this is the backpressure. */
function write(stdin: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stdin.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}

function isBrokenPipe(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return [
    'EPIPE',
    'ECONNRESET',
    'ERR_STREAM_DESTROYED',
    'ERR_STREAM_PREMATURE_CLOSE',
    'ERR_STREAM_WRITE_AFTER_END',
  ].includes(code);
}
