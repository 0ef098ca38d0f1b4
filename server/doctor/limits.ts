/** From which values on the doctor says something, and how hard it looks: all in one place, each with its unit. */

const MIB = 1024 * 1024;

export const limits = {
  /** Lost datagrams of the probe, in percent. A cast repairs one percent without anybody noticing. */
  mostLossPercent: 1,
  /** A host that hears less than this share of the rate, in percent, is taken to be behind a slow link: chance loses evenly, but less. */
  slowLinkHeardPercent: 85,
  /** Slower links make everybody wait, in Mbit/s. */
  leastLinkMbit: 1000,
  /** A healthy laptop disk of 2008 reads faster, in bytes per second. */
  leastDiskBytesPerSecond: 40e6,
  /** Domain log-ons (Kerberos) are refused from 300 s on; what is off by a minute has an empty battery or another time zone, in ms. */
  mostClockOffsetMs: 60_000,
  /** The agent image lies in memory too; below this the receive buffer is at its smallest, in bytes. */
  leastFreeMemoryBytes: 128 * MIB,
  /** udp-receiver asks for it; with less, 5 to 20 % of a cast is sent twice. net.core.rmem_max, in bytes. */
  leastReceiveBufferBytes: 4 * MIB,
  /** A store with less room takes no capture worth the name, in bytes. */
  leastFreeStoreBytes: 1024 * MIB,
  /** Multicast is tried at this rate unless `[cast] max_mbit` says less, in Mbit/s: a 100 Mbit port shows. */
  probeMbit: 200,
  /** Datagrams of a probe. Fewer than a receive buffer of 4 MiB holds, so that a busy host is not taken for a bad cable. */
  probeDatagrams: 3000,
  /** Switches act on a host that joins a group by then, in ms: their processors are slow. */
  joinSettleMs: 1000,
  /** What switches hold back of a probe has come by then, in ms. */
  probeSettleMs: 1000,
  /** Each disk is read until one of the two is reached. */
  diskReadBytes: 256 * MIB,
  diskReadMs: 3000,
  /** A host that does not listen, or has not measured, by then is given up, in ms. */
  listenLimitMs: 20_000,
  measureLimitMs: 90_000,
} as const;
