import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fixedFiles, plainName } from '#server/boot/tftp/files.ts';
import { dataHeader, decodeTftp, encodeError, encodeOptionAck } from '#server/boot/tftp/packet.ts';

function readRequest(...strings: string[]): Buffer {
  return Buffer.concat([Buffer.of(0, 1), Buffer.from(strings.map((one) => `${one}\0`).join(''))]);
}

test('the request of OVMF is read', () => {
  const packet = decodeTftp(readRequest('snponly.efi', 'octet', 'tsize', '0', 'BLKSIZE', '1468', 'windowsize', '4'));
  assert.deepEqual(packet, {
    kind: 'read',
    name: 'snponly.efi',
    mode: 'octet',
    options: new Map([
      ['tsize', '0'],
      ['blksize', '1468'],
      ['windowsize', '4'],
    ]),
  });
});

test('what is no request is told by its fault', () => {
  const faults: [Buffer, string][] = [
    [Buffer.of(0), 'short'],
    [Buffer.of(0, 9, 0, 0), 'unknown-opcode'],
    [Buffer.of(1, 1, 0, 0), 'unknown-opcode'],
    [readRequest('name'), 'request-malformed'],
    [readRequest('', 'octet'), 'request-malformed'],
    [readRequest('a\x07b', 'octet'), 'request-malformed'],
    [readRequest('name', 'o7'), 'request-malformed'],
    [Buffer.from('\0\x01name\0octet'), 'request-malformed'],
    [readRequest('x'.repeat(1100), 'octet'), 'request-too-long'],
  ];
  for (const [bytes, fault] of faults) assert.equal(decodeTftp(bytes), fault);
});

test('no bytes make the decoder throw', () => {
  const opcodes = fc.integer({ min: 0, max: 7 });
  fc.assert(
    fc.property(opcodes, fc.uint8Array({ maxLength: 600 }), (code, bytes) => {
      decodeTftp(Buffer.concat([Buffer.of(0, code), bytes]));
    }),
    { numRuns: 2000 },
  );
});

test('packets are written as RFC 1350 and RFC 2347 have them', () => {
  assert.equal(dataHeader(65537).toString('hex'), '00030001');
  assert.equal(encodeError(1, 'no').toString('hex'), '000500016e6f00');
  assert.equal(encodeOptionAck(new Map([['tsize', '9']])).toString('latin1'), '\0\x06tsize\x009\0');
});

test('one file has one name however firmware writes it, and no name leads out of the list', () => {
  const files = fixedFiles(new Map([['/grub/grub.cfg', { bytes: Buffer.of(1) }]]));
  for (const name of ['grub/grub.cfg', '/grub/grub.cfg', '\\grub\\grub.cfg', '//grub/./grub.cfg']) {
    assert.ok(files.find(plainName(name), '10.0.0.1'), name);
  }
  assert.equal(files.find(plainName('../grub/grub.cfg'), '10.0.0.1'), undefined);
  assert.equal(files.find(plainName('/etc/passwd'), '10.0.0.1'), undefined);
});
