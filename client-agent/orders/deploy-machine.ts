/** What deployments, audits and check-ups need of the machine that they run on. */
import type { Inventory } from '#protocol/agent-api.ts';
import type { Logger } from '#system/log.ts';
import type { ServerLink } from '../server-link.ts';

export interface DeployMachine {
  readInventory(): Promise<Inventory>;
  readonly link: ServerLink;
  readonly workerCount: number;
  /** Memory for what waits to be written; absent: a share of what is free. */
  readonly bufferBytes?: number;
  readonly log: Logger;
}
