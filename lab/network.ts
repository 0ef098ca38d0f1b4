/** Makes the namespaces and links of a topology, and takes them away. */
import { readdir } from 'node:fs/promises';
import { run } from '#system/run.ts';
import { linkRateArguments, machineLines, namespacesOf, switchLines, type Topology } from './topology.ts';

const NAMESPACE_DIR = '/run/netns';

/** 42 hosts take about 0.3 s. May fail half-way: then `tearDownNetwork` still removes what is there. */
export async function setUpNetwork(topology: Topology): Promise<void> {
  await ipBatch(
    [],
    namespacesOf(topology).map((name) => `netns add ${name}`),
  );
  await ipBatch(['-n', topology.switchNamespace], switchLines(topology));
  const machines = [
    { namespace: topology.serverNamespace, address: topology.serverAddress },
    ...topology.hosts.map(({ namespace, address }) => ({ namespace, address })),
  ];
  for (const { namespace, address } of machines) await ipBatch(['-n', namespace], machineLines(topology, address));
  await run(['tc', '-n', topology.serverNamespace, 'qdisc', 'add', ...linkRateArguments(topology)]);
}

/** Removes namespaces; their links go with them. The processes in them must have ended. May be repeated. */
export async function tearDownNetwork(namespaces: readonly string[]): Promise<void> {
  const present = new Set(await listNamespaces());
  const doomed = namespaces.filter((name) => present.has(name));
  if (doomed.length > 0)
    await ipBatch(
      ['-force'],
      doomed.map((name) => `netns delete ${name}`),
    );
}

export async function listNamespaces(): Promise<string[]> {
  try {
    return await readdir(NAMESPACE_DIR);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** argv that runs a program inside a namespace. */
export function inNamespace(namespace: string, argv: readonly string[]): string[] {
  return ['ip', 'netns', 'exec', namespace, ...argv];
}

async function ipBatch(options: readonly string[], lines: readonly string[]): Promise<void> {
  await run(['ip', ...options, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}
