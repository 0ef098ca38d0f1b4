/** Spans of time as people write and read them. */

const unitSeconds: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** Seconds of `90s`, `10m`, `1h30m`; undefined for anything else. A number without unit is refused: ten what? */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d{1,6}h)?(?:\d{1,6}m)?(?:\d{1,6}s)?$/.test(text) || text === '') return undefined;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([hms])/g)) seconds += Number(amount) * unitSeconds[unit!]!;
  return seconds > 0 ? seconds : undefined;
}

/** `0s`, `45s`, `3m20s`, `1h05m`, `2d3h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${twoDigits(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h${twoDigits(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d${Math.floor((whole % 86_400) / 3600)}h`;
}

/** `2026-11-22 03:18:46` in the admin's time zone. */
export function formatTime(atMs: number): string {
  const date = new Date(atMs);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(twoDigits).join('-');
  return `${day} ${formatClock(atMs)}`;
}

/** `03:18:46` in the admin's time zone. */
export function formatClock(atMs: number): string {
  const date = new Date(atMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
