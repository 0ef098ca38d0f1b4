/**
 * Makes the cable to one light host bad: loses a share of the packets that go to it, is slow, or is cut. All by the kernel, on
 * the port of the switch: classic BPF with its random number (SKF_AD_RANDOM, linux/filter.h) picks packets for a class whose
 * queue is a blackhole, because many kernels have no netem. What the host sends is not touched. It goes with the lab.
 */
import { run } from '#system/run.ts';
import type { LabHost, Topology } from './topology.ts';

export interface LinkFault {
  /** Share of the packets to the host that are lost, 0 to 1. */
  readonly loss?: number;
  /** The same of multicast alone: 1 is a switch that snoops IGMP without a querier, less is storm control. Instead of `loss`. */
  readonly multicastLoss?: number;
  /** Rate towards the host, in Mbit/s; absent: as fast as the lab. */
  readonly mbit?: number;
}

const AS_FAST_AS_THE_LAB_MBIT = 10_000;
/** SKF_AD_OFF + SKF_AD_RANDOM as an unsigned number. */
const RANDOM_WORD = 0xffff_f000 + 56;

/** May be called again with another fault; an empty one makes the cable good. */
export async function setLinkFault(topology: Topology, host: LabHost, fault: LinkFault): Promise<void> {
  const tc = (argv: readonly string[], okCodes: readonly number[] = [0]) =>
    run(['tc', '-n', topology.switchNamespace, ...argv], { okCodes });
  const { port } = host;
  // 2: there was none.
  await tc(['qdisc', 'del', 'dev', port, 'root'], [0, 2]);
  for (const argv of linkFaultLines(port, fault)) await tc(argv);
}

/** Arguments of tc(8). Pure. */
function linkFaultLines(port: string, fault: LinkFault): string[][] {
  const { loss = 0, multicastLoss = 0, mbit } = fault;
  const drop = multicastLoss > 0 ? multicastLossProgram(multicastLoss) : loss > 0 ? lossProgram(loss) : undefined;
  if (drop === undefined && mbit === undefined) return [];
  const rate = `${mbit ?? AS_FAST_AS_THE_LAB_MBIT}mbit`;
  const classOf = (id: string) => [
    ...['class', 'add', 'dev', port, 'parent', '1:', 'classid', id],
    ...['htb', 'rate', rate, 'burst', '32kb', 'quantum', '60000'],
  ];
  const lines = [['qdisc', 'add', 'dev', port, 'root', 'handle', '1:', 'htb', 'default', '1'], classOf('1:1')];
  if (drop === undefined) return lines;
  return [
    ...lines,
    classOf('1:2'),
    ['qdisc', 'add', 'dev', port, 'parent', '1:2', 'blackhole'],
    [
      ...['filter', 'add', 'dev', port, 'parent', '1:', 'protocol', 'all', 'prio', '1'],
      ...['bpf', 'bytecode', drop, 'flowid', '1:2'],
    ],
  ];
}

/** Loads a random word; above the threshold the packet is not lost: `ld [rand]; jge #T, 0, 1; ret #0; ret #-1`. */
function lossProgram(loss: number): string {
  return `4,32 0 0 ${RANDOM_WORD},53 0 1 ${thresholdOf(loss)},6 0 0 0,6 0 0 4294967295,`;
}

/** The same behind `ldb [0]; jeq #1, 0, 3`: only what goes to an Ethernet group address 01:…. */
function multicastLossProgram(loss: number): string {
  return `6,48 0 0 0,21 0 3 1,32 0 0 ${RANDOM_WORD},53 1 0 ${thresholdOf(loss)},6 0 0 4294967295,6 0 0 0,`;
}

function thresholdOf(loss: number): number {
  return Math.min(0xffff_ffff, Math.round(loss * 2 ** 32));
}
