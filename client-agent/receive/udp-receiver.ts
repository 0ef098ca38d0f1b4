/** udp-receiver(1), the program that hears a cast: its argument list, what it prints, and how it is left. */
import { execa } from 'execa';
import type { CastOrder } from '#protocol/agent-api.ts';
import { type KnownError, knownError } from '#protocol/errors.ts';
import { packageFor } from '#system/run.ts';
import { type ByteSource, sourceOf } from './byte-source.ts';

/** After SIGINT it leaves within milliseconds; one that does not is stuck. In ms. */
const TERM_AFTER_MS = 1500;
const KILL_AFTER_MS = 3000;
const KEPT_LINES = 5;

/** What it says about a transfer while it runs. */
export interface ReceiverProgress {
  readonly bytes: number;
  readonly mbit: number;
}

export interface ReceiverEnd {
  /** Undefined when a signal ended it. It says nothing about success: 0 comes after half a cast too. */
  readonly exitCode: number | undefined;
  /** The last things that it said, besides progress. */
  readonly lastLines: readonly string[];
  readonly progress: ReceiverProgress | undefined;
  /** PROGRAM_MISSING, when it could not even be started. */
  readonly missing: KnownError | undefined;
}

export interface UdpReceiver {
  readonly source: ByteSource;
  /** Resolves when the process has ended and its source is drained; never rejects. */
  readonly ended: Promise<ReceiverEnd>;
  /** Leaves the cast by SIGINT, which disconnects at once and costs the others nothing. The source must still be drained. */
  leave(): void;
}

/**
 * The argument list. `setpriv` makes it leave when the agent dies. The receive buffer is capped by net.core.rmem_max; the default
 * one costs 5–20 % retransmits.
 */
export function udpReceiverArgv(interfaceName: string, cast: CastOrder): string[] {
  return [
    // INT, because that disconnects: by any other death the others wait until udp-sender drops it. An agent that is killed
    // closes the pipe too, and often first: SIGPIPE would be such a death, while a failed write disconnects.
    ...['setpriv', '--pdeathsig', 'INT', 'env', '--ignore-signal=PIPE', 'udp-receiver', '--nokbd'],
    ...['--interface', interfaceName, '--rcvbuf', '4m', '--exit-wait', '100'],
    ...['--start-timeout', String(cast.startTimeoutS), '--receive-timeout', String(cast.receiveTimeoutS)],
    ...['--portbase', String(cast.portBase)],
    // Lost data leaves garbage or a gap; the frames behind it are found again by their magic.
    ...(cast.isOneWay === true ? ['--ignore-lost-data'] : []),
    ...(cast.rdvAddress === undefined ? [] : ['--mcast-rdv-address', cast.rdvAddress]),
  ];
}

/** Starts it at once; how it ended is in `ended`, which never rejects. */
export function startUdpReceiver(interfaceName: string, cast: CastOrder): UdpReceiver {
  const [program, ...args] = udpReceiverArgv(interfaceName, cast) as [string, ...string[]];
  const child = execa(program, args, {
    stdin: 'ignore',
    buffer: false,
    reject: false,
    env: { LC_ALL: 'C' },
  });
  const timers: NodeJS.Timeout[] = [];
  const lastLines: string[] = [];
  let progress: ReceiverProgress | undefined;
  child.stderr.on(
    'data',
    onLines((line) => {
      const said = readProgress(line);
      if (said !== undefined) progress = said;
      else if (lastLines.push(line) > KEPT_LINES) lastLines.shift();
    }),
  );
  const ended = child.then((result): ReceiverEnd => {
    for (const timer of timers) clearTimeout(timer);
    return { exitCode: result.exitCode, lastLines, progress, missing: missingProgram(result.code, result.exitCode) };
  });
  return {
    source: sourceOf(child.stdout),
    ended,
    leave() {
      child.kill('SIGINT');
      timers.push(
        setTimeout(() => child.kill('SIGTERM'), TERM_AFTER_MS),
        setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS),
      );
    },
  };
}

/** Reads `bytes=  9 784 320  ( 96.69 Mbps)`: digits in groups, suffix K from 1e9 and M from 1e12. Undefined for any other line. */
export function readProgress(line: string): ReceiverProgress | undefined {
  const match = /bytes=\s*([\d ]+?)([KM]?)\s*\(\s*([\d.]+)\s*Mbps\)/.exec(line);
  if (match === null) return undefined;
  const scale = { '': 1, K: 1024, M: 1024 * 1024 }[match[2] as '' | 'K' | 'M'];
  return { bytes: Number(match[1]!.replaceAll(' ', '')) * scale, mbit: Number(match[3]) };
}

/** Cuts a stream into lines; progress lines end in a carriage return. */
export function onLines(take: (line: string) => void): (bytes: Buffer) => void {
  let rest = '';
  return (bytes) => {
    const lines = (rest + bytes.toString('latin1')).split(/[\r\n]+/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') take(line.trim());
  };
}

/** setpriv(1) ends with 127 when there is no such program. */
function missingProgram(code: string | undefined, exitCode: number | undefined): KnownError | undefined {
  const program = code === 'ENOENT' ? 'setpriv' : exitCode === 127 ? 'udp-receiver' : undefined;
  return program && knownError('PROGRAM_MISSING', { program, package: packageFor(program) });
}
