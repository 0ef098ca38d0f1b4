/**
 * What udp-sender says, as seen in real runs of 20120424 (test/server/transfer/golden). Nothing of it decides whether a host
 * has succeeded: exit codes and "Transfer complete." lie in both directions.
 */

export type SenderLine =
  | { readonly kind: 'joined'; readonly receiver: number; readonly address: string }
  /** `lastReceiver`: of those that have acknowledged the slice, the one that did so last; in a clean cast now this one, now that. */
  | {
      readonly kind: 'progress';
      readonly bytes: number;
      readonly retransmits: number;
      readonly lastReceiver: number;
    }
  /** It has waited many times longer than usual, and these have not acknowledged the slice yet. */
  | { readonly kind: 'awaited'; readonly daySeconds: number; readonly receivers: readonly number[] }
  /** Time of day in seconds, in the time zone of the process. */
  | { readonly kind: 'started'; readonly daySeconds: number }
  | { readonly kind: 'dropped'; readonly receiver: number };

/** Cuts a stream of bytes into lines at `\n` and `\r`: progress lines end in `\r` alone. */
export class LineCutter {
  #rest = '';

  push(text: string): string[] {
    const parts = (this.#rest + text).split(/[\r\n]+/);
    this.#rest = parts.pop()!;
    return parts.filter((line) => line !== '');
  }
}

/** Reads one line of stderr or of the `--log` file; undefined for a line that says nothing we use. */
export function readSenderLine(line: string): SenderLine | undefined {
  const joined = /^New connection from (\S+)\s+\(#(\d+)\)/.exec(line);
  if (joined !== null) return { kind: 'joined', address: joined[1]!, receiver: Number(joined[2]) };
  const progress = /^bytes=([ \d]+)([KM]?)\s+re-xmits=(\d+).* -\s+(-?\d+)$/.exec(line);
  if (progress !== null) {
    const unit = { '': 1, K: 1024, M: 1024 * 1024 }[progress[2] as '' | 'K' | 'M'];
    return {
      kind: 'progress',
      bytes: Number(progress[1]!.replaceAll(' ', '')) * unit,
      retransmits: Number(progress[3]),
      lastReceiver: Number(progress[4]),
    };
  }
  return readLogLine(line);
}

/** Only the log has these; each line of it begins with the time of day. */
function readLogLine(line: string): SenderLine | undefined {
  const [, hours, minutes, seconds, words = ''] = /^(\d\d):(\d\d):(\d\d\.\d+) (.*)/.exec(line) ?? [];
  const daySeconds = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  if (words.startsWith('Starting transfer')) return { kind: 'started', daySeconds };
  const dropped = /^Dropping client #(\d+) because of timeout/.exec(words);
  if (dropped !== null) return { kind: 'dropped', receiver: Number(dropped[1]) };
  const awaited = /^Timeout notAnswered=\S+ notReady=\[([\d,]+)\]/.exec(words);
  if (awaited !== null) return { kind: 'awaited', daySeconds, receivers: awaited[1]!.split(',').map(Number) };
  return undefined;
}

/** The last moment before `nowMs` (and a minute of slack) at which it was `daySeconds` in UTC. */
export function momentOf(daySeconds: number, nowMs: number): number {
  const dayMs = 24 * 3600 * 1000;
  const today = Math.floor(nowMs / dayMs) * dayMs + daySeconds * 1000;
  return Math.round(today > nowMs + 60_000 ? today - dayMs : today);
}
