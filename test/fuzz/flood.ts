/**
 * Sends damaged packets to a live server and looks at what comes back: `node flood.ts '{"protocol":"dhcp","to":"10.77.0.1",
 * "port":67,"count":5000,"seed":1}'`. Says how many were sent and answered, and how many answers went to garbage.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { mutate, Random } from './mutation.ts';
import { dhcpSeeds, tftpSeeds } from './seeds.ts';

/** Small enough that a receive buffer holds it: what the kernel drops tests nothing. */
const BATCH = 16;

const { protocol, to, port, count, seed } = JSON.parse(process.argv[2]!) as {
  protocol: 'dhcp' | 'tftp';
  to: string;
  port: number;
  count: number;
  seed: number;
};
const seeds = protocol === 'dhcp' ? dhcpSeeds : tftpSeeds;
const random = new Random(seed);
const mayBeAnswered = new Set<number>();
let [answers, toGarbage, sincePause] = [0, 0, 0];

// Answers to a relay's packets come to port 67 of giaddr, others to port 68 by broadcast; TFTP's come to the asking port.
const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: 1 << 21 });
const other = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: 1 << 21 });
socket.bind(protocol === 'dhcp' ? 68 : 0);
if (protocol === 'dhcp') other.bind(67);
else other.bind(0);
await Promise.all([once(socket, 'listening'), once(other, 'listening')]);
for (const one of [socket, other]) {
  one.on('message', (bytes) => {
    answers++;
    const isAsked = protocol === 'dhcp' ? mayBeAnswered.has(bytes.readUInt32BE(4)) : mayBeAnswered.size > 0;
    if (!isAsked) toGarbage++;
  });
}
for (let sent = 0; sent < count; sent++) {
  const bytes = mutate(seeds, random);
  if (protocol === 'dhcp' ? isPlausibleDhcp(bytes) : isPlausibleTftp(bytes)) {
    mayBeAnswered.add(protocol === 'dhcp' ? bytes.readUInt32BE(4) : 1);
  }
  socket.send(bytes, port, to, () => {});
  if (++sincePause === BATCH) {
    sincePause = 0;
    await delay(1);
  }
}
await delay(500);
socket.close();
other.close();
console.log(JSON.stringify({ sent: count, answers, toGarbage }));

/** A check of its own, not by our codec: a request of an Ethernet card with the magic cookie. */
function isPlausibleDhcp(bytes: Buffer): boolean {
  return (
    bytes.length > 240 && bytes[0] === 1 && bytes[1] === 1 && bytes[2] === 6 && bytes.readUInt32BE(236) === 0x63825363
  );
}

function isPlausibleTftp(bytes: Buffer): boolean {
  return bytes.length > 4 && bytes[0] === 0 && (bytes[1] === 1 || bytes[1] === 2);
}
