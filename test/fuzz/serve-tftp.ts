/** Runs a TFTP server for the fuzzer until stdin ends: `node serve-tftp.ts '{"address":"10.77.0.1"}'`. */
import { fixedFiles } from '#server/boot/tftp/files.ts';
import { TftpServer } from '#server/boot/tftp/server.ts';
import { makeLogger } from '#system/log.ts';

const { address } = JSON.parse(process.argv[2]!) as { address: string };
const files = fixedFiles(new Map([['boot.img', { bytes: Buffer.alloc(100_000) }]]));
const server = await TftpServer.start({ address, files, log: makeLogger('warn', 'tftp-fuzz'), nowMs: Date.now });
console.log(JSON.stringify({ ready: true, rss: process.memoryUsage.rss() }));
process.stdin.resume();
process.stdin.on('end', async () => {
  await server.stop();
  // A socket is gone one turn of the event loop after it was closed.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  const { open } = handles();
  console.log(JSON.stringify({ counts: server.counts(), rss: process.memoryUsage.rss(), open }));
});

/** Sockets that are still open. */
function handles(): { open: number } {
  return { open: process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length };
}
