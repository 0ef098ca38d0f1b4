/** Which of the ready hosts the next pass or repair is for. Pure. */
import type { LiveTask } from './live-session.ts';

/** Parked so often, a host gets the rest over HTTP, where its pace is its own. */
const MOST_PARKINGS = 2;

/** Everybody but deaf and parked hosts; when only they are left, they among themselves, at their own pace. */
export function choosePassHosts(ready: readonly LiveTask[]): LiveTask[] {
  const hearing = ready.filter((task) => task.hearing !== 'deaf');
  const quick = hearing.filter((task) => task.row.parking === undefined);
  return quick.length > 0 ? quick : hearing.filter((task) => task.row.parking!.times < MOST_PARKINGS);
}

/** Those that fetch their holes now; parked hosts wait until a pass of their own has been weighed. */
export function chooseRepairHosts(ready: readonly LiveTask[]): readonly LiveTask[] {
  const quick = ready.filter((task) => task.row.parking === undefined);
  return quick.length > 0 ? quick : ready;
}
