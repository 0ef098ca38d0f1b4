/** The cable between a host and the switch: pulled, and plugged in again. */
import { run } from '#system/run.ts';
import type { LabHost, Topology } from '../topology.ts';

/** May be repeated. The host keeps its address; its own end has no carrier meanwhile. */
export async function setCable(topology: Topology, host: LabHost, plug: 'in' | 'out'): Promise<void> {
  await run(['ip', '-n', topology.switchNamespace, 'link', 'set', host.port, plug === 'in' ? 'up' : 'down']);
}
