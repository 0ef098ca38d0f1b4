/**
 * Broadcasts a DHCP request from port 68 and says what comes back to its MAC: so many answers are waited for, and a moment for
 * those that should not come: `node ask.ts '{"hex":"…","answers":1,"limitMs":500}'`. The machine must have an address, for
 * Node cannot send without one.
 */
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';

const { hex, answers, limitMs } = JSON.parse(process.argv[2]!) as { hex: string; answers: number; limitMs: number };
/** Long after whoever answers has answered, on a quiet machine. */
const MORE_MS = 700;
const request = Buffer.from(hex, 'hex');
/** chaddr (RFC 2131, 2): six bytes at 28. */
const macOf = (packet: Buffer) => packet.toString('hex', 28, 34);
const own = networkInterfaces().eth0!.find((one) => one.family === 'IPv4')!.address;
const [hears, sends] = [0, 1].map(() => createSocket({ type: 'udp4', reuseAddr: true })) as [
  ReturnType<typeof createSocket>,
  ReturnType<typeof createSocket>,
];
let heard = 0;
hears.on('message', (bytes, source) => {
  if (macOf(bytes) !== macOf(request)) return;
  console.log(JSON.stringify({ from: source.address, hex: bytes.toString('hex') }));
  if (++heard === answers) setTimeout(() => process.exit(), MORE_MS);
});
hears.bind(68);
sends.bind(68, own, () => {
  sends.setBroadcast(true);
  sends.send(request, 67, '255.255.255.255');
  if (answers === 0) setTimeout(() => process.exit(), MORE_MS);
});
setTimeout(() => process.exit(), limitMs);
