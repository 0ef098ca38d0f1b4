/**
 * Broadcasts a DHCP request from port 68 and says what comes back within a time: `node ask.ts '{"hex":"…","ms":500}'`. The
 * machine must have an address, for Node cannot send without one.
 */
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

const { hex, ms } = JSON.parse(process.argv[2]!) as { hex: string; ms: number };
const own = networkInterfaces().eth0!.find((one) => one.family === 'IPv4')!.address;
const [hears, sends] = [0, 1].map(() => createSocket({ type: 'udp4', reuseAddr: true })) as [
  ReturnType<typeof createSocket>,
  ReturnType<typeof createSocket>,
];
hears.on('message', (bytes, source) =>
  console.log(JSON.stringify({ from: source.address, hex: bytes.toString('hex') })),
);
hears.bind(68);
sends.bind(68, own, () => {
  sends.setBroadcast(true);
  sends.send(Buffer.from(hex, 'hex'), 67, '255.255.255.255');
});
await delay(ms);
hears.close();
sends.close();
