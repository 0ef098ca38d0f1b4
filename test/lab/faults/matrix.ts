/** The fault matrix: what is done to a running session, and how long the others may be held up by it. */

export interface Fault {
  readonly title: string;
  /** What the host (or, for a fault of the server, every host) is to end with. */
  readonly ends: 'succeeded' | 'failed' | 'cancelled';
  /** Seconds by which the others may have their image later than without the fault, on a machine that keeps up. */
  readonly boundS: number;
}

/** In the order of the table in docs/reliability.md. */
export const matrix = {
  'receiver-killed': { title: 'udp-receiver killed (SIGKILL) in mid-cast', ends: 'succeeded', boundS: 3 },
  'receiver-stopped': { title: 'udp-receiver stopped for 6 s and continued', ends: 'succeeded', boundS: 3 },
  'agent-restarted': { title: 'agent killed (SIGKILL) in mid-cast, boots again', ends: 'succeeded', boundS: 3 },
  rebooted: { title: 'power cut in mid-cast and back at once', ends: 'succeeded', boundS: 3 },
  late: { title: 'comes when half of the cast is out', ends: 'succeeded', boundS: 1 },
  'slow-disk': { title: 'disk ten times slower than the wire', ends: 'succeeded', boundS: 2 },
  'write-error': { title: 'disk that gives an I/O error when a part is written', ends: 'failed', boundS: 1 },
  'read-error': { title: 'disk that gives I/O errors when it is read back', ends: 'failed', boundS: 1 },
  'wrong-reads': { title: 'disk that reads back other bytes than were written', ends: 'succeeded', boundS: 1 },
  'link-cut': { title: 'cable pulled in mid-cast, in again after 20 s', ends: 'succeeded', boundS: 3 },
  'link-slow': { title: 'cable at half the speed of the cast', ends: 'succeeded', boundS: 5 },
  'link-10': { title: 'cable of 10 Mbit/s', ends: 'succeeded', boundS: 5 },
  'loss-1': { title: '1 % of the packets to it lost', ends: 'succeeded', boundS: 3 },
  'loss-5': { title: '5 % of the packets to it lost', ends: 'succeeded', boundS: 10 },
  'sender-killed': { title: 'udp-sender killed (SIGKILL) in mid-cast', ends: 'succeeded', boundS: 20 },
  'daemon-gathering': { title: 'daemon killed (SIGKILL) while gathering', ends: 'succeeded', boundS: 30 },
  'daemon-casting': { title: 'daemon killed while casting', ends: 'succeeded', boundS: 30 },
  'daemon-repairing': { title: 'daemon killed while repairing', ends: 'succeeded', boundS: 30 },
  'daemon-verifying': { title: 'daemon killed while verifying', ends: 'succeeded', boundS: 30 },
  'daemon-finishing': { title: 'daemon killed while finishing', ends: 'succeeded', boundS: 30 },
  'daemon-parked': {
    title: 'daemon killed while a host is parked and another is deaf',
    ends: 'succeeded',
    boundS: 30,
  },
  'two-sessions': { title: 'its session cancelled while another one is cast', ends: 'cancelled', boundS: 10 },
  'store-damaged': { title: 'chunks of the image damaged in the store in mid-cast', ends: 'failed', boundS: 10 },
  'room-of-42': { title: '42 hosts with six faults at once', ends: 'succeeded', boundS: 10 },
} as const satisfies Record<string, Fault>;

export type FaultId = keyof typeof matrix;

/** One line of the table, as a test measured it. */
export interface FaultRow {
  readonly fault: FaultId;
  /** Faults of other hosts in the same cast: the seconds are those of all of them. */
  readonly together: readonly FaultId[];
  /**
   * How much later than in the clean run of the same lab the last of the others had everything, in seconds; below zero: sooner. For
   * a daemon that was killed: until its session had moved on.
   */
  readonly noticedS: number;
  /** Seconds of the clean run, from the first byte until the last of the others had everything. */
  readonly cleanS: number;
  readonly ended: string;
}

/** Begins a line of a test's output that carries a row as JSON. */
export const ROW_MARK = 'fault row: ';
