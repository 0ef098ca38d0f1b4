/** Network namespaces of one program outside any lab: a test's own small network. Their names say whose they are. */
import { existsSync } from 'node:fs';
import { LAB_PREFIX } from './topology.ts';

/** Of this process alone: for `planTopology`, where a test lays a lab's network without a lab. */
export const OWN_RUN = `pid${process.pid}`;

/** `name` is unique in this process. */
export function ownNamespace(name: string): string {
  return `${LAB_PREFIX}${OWN_RUN}-${name}`;
}

/** It is such a namespace, and the program that made it has ended. One whose pid another program has got by now seems in use. */
export function isOrphaned(
  namespace: string,
  isRunning: (pid: string) => boolean = (pid) => existsSync(`/proc/${pid}`),
): boolean {
  const pid = new RegExp(`^${LAB_PREFIX}pid(\\d+)-`).exec(namespace)?.[1];
  return pid !== undefined && !isRunning(pid);
}
