/**
 * What runs on the workbench to show LUKS containers: the agent's own capture and deployment, with a server in memory. JavaScript as
 * text, bundled as the agent is; what it finds it prints as lines of `NAME JSON`.
 */
export const LUKS_ROAD = `
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { runAudit } from './client-agent/orders/audit.js';
import { runCapture } from './client-agent/orders/capture.js';
import { DeployJob } from './client-agent/orders/deploy.js';
import { CHUNK_ID_BYTES } from './protocol/chunk.js';
import { identityOf } from './protocol/disk.js';
import { fitTo } from './protocol/fit.js';
import * as frames from './protocol/frame.js';
import { decodeManifest, idAt, manifestTag, placeOf } from './protocol/manifest.js';
import { CODING_ZSTD, readStoredHeader, STORED_HEADER_BYTES } from './protocol/stored-chunk.js';

const say = (name, value) => console.log(name + ' ' + JSON.stringify(value));
const diskAt = (name) => ({
  path: '/dev/' + name, model: '', serial: name, sectorBytes: 512, transport: 'virtio', removable: false, readOnly: false,
  inUse: false, content: '', sizeBytes: Number(readFileSync('/sys/block/' + name + '/size', 'utf8')) * 512,
});
const signal = new AbortController().signal;
const onProgress = () => {};
const chunks = new Map();
let manifestBytes;

const uploadLink = {
  lacking: async (_taskId, ids) => {
    const bits = Buffer.alloc(Math.ceil(ids.length / CHUNK_ID_BYTES / 8));
    for (let i = 0; i * CHUNK_ID_BYTES < ids.length; i++) {
      const id = ids.toString('hex', i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES);
      if (!chunks.has(id)) bits[i >> 3] |= 1 << (i & 7);
    }
    return bits;
  },
  chunks: async (_taskId, body) => {
    const bytes = Buffer.concat(await body.toArray());
    let stored = 0;
    for (let at = 0; at < bytes.length; stored++) {
      const header = readStoredHeader(bytes, at);
      const from = at + STORED_HEADER_BYTES;
      chunks.set(Buffer.from(header.id).toString('hex'), zstdDecompressSync(bytes.subarray(from, from + header.storedBytes)));
      at = from + header.storedBytes;
    }
    return { stored, duplicates: 0 };
  },
  manifest: async (_taskId, bytes) => {
    manifestBytes = Buffer.from(bytes);
    return { manifestId: decodeManifest(manifestBytes).id, image: 'luks', version: 1, isNew: true };
  },
};

export async function capture(name, keys) {
  const order = { kind: 'capture', rev: '1', taskId: 1, sessionId: 1, disk: identityOf(diskAt(name)), chunkBytes: 262144, zstdLevel: 1 };
  try {
    const result = await runCapture(order, { disks: [diskAt(name)], link: uploadLink, keys: keys.map((key) => Buffer.from(key)), signal, onProgress });
    const { head } = decodeManifest(manifestBytes);
    say('CAPTURED', { result, volumes: head.volumes, containers: head.containers, format: manifestBytes.readUInt16LE(4) });
  } catch (error) {
    say('CAPTURE_FAILED', { code: error.code, message: error.message, uploaded: chunks.size });
  }
}

function framesOf(manifest, wanted, nonce) {
  const all = [...wanted].map((ordinal) => {
    const plain = chunks.get(Buffer.from(idAt(manifest, ordinal)).toString('hex'));
    return { ordinal, plainBytes: plain.length, payload: zstdCompressSync(plain) };
  });
  const frame = (kind, payload, coding, ordinal = 0, plainBytes = 0, sequence = 0) => {
    const out = Buffer.alloc(frames.FRAME_HEADER_BYTES + payload.length);
    payload.copy(out, frames.FRAME_HEADER_BYTES);
    frames.writeFrameHeader(out, 0, {
      kind, coding, nonce, manifestTag: manifestTag(manifest.id), ordinal, plainBytes, sequence, payloadBytes: payload.length,
    });
    return out;
  };
  const bytes = all.reduce((sum, one) => sum + one.payload.length + frames.FRAME_HEADER_BYTES, 0);
  const announcement = { sessionId: 2, castId: 'repair-2', manifestId: manifest.id, frames: all.length, bytes };
  return [
    frame(frames.FRAME_ANNOUNCE, Buffer.from(JSON.stringify(announcement)), 0),
    ...all.map((one, i) => frame(frames.FRAME_CHUNK, one.payload, CODING_ZSTD, one.ordinal, one.plainBytes, i + 1)),
    frame(frames.FRAME_TRAILER, Buffer.from(JSON.stringify({ frames: all.length, skipped: [] })), 0),
  ];
}

const silent = { info() {}, debug() {}, warn() {}, error() {} };

/** A machine with that disk whose secrets are what they are called. */
function machineWith(name) {
  let holes = 0;
  const machine = {
    readInventory: async () => ({ disks: [diskAt(name)], interface: 'lo', serial: 'S', mac: '52:54:00:00:00:01', firmware: 'bios' }),
    link: {
      readManifest: async () => manifestBytes,
      putHoles: async (_taskId, set) => { holes = set.count; },
      frames: async (_taskId, wanted, nonce) => Readable.from(framesOf(decodeManifest(manifestBytes), wanted, Buffer.from(nonce, 'hex'))),
      readSecret: async (_taskId, secret) => Buffer.from(secret),
    },
    workerCount: 2, bufferBytes: 16 * 1024 * 1024, log: silent,
  };
  return { machine, holes: () => holes };
}

export async function deploy(name, secrets, { hash = false, grow = undefined, finishing = undefined, stopAfter = undefined } = {}) {
  const manifest = decodeManifest(manifestBytes);
  const disk = diskAt(name);
  const fit = grow === undefined ? {} : { fit: { ...fitTo(manifest.head, disk.sizeBytes, grow).fit, grow } };
  const order = { kind: 'deploy', rev: '1', taskId: 2, sessionId: 2, manifestId: manifest.id, disk: identityOf(disk), round: 0, luksSecrets: secrets, ...fit };
  const { machine, holes } = machineWith(name);
  const job = new DeployJob(order, machine);
  try {
    const lacking = {};
    let warnings = [];
    const onProgress = (progress) => { warnings = progress.warnings ?? []; };
    for (const step of ['prepare', 'repair', 'verify', 'finish']) {
      const result = await job.run({ ...order, step, ...(step === 'prepare' ? { hash } : {}), ...(step === 'finish' && finishing ? { finishing } : {}) }, signal, onProgress);
      lacking[step] = holes();
      if (step === 'prepare') say('PREPARED', { lacking: holes(), warnings });
      if (step === stopAfter) break;
      if (step === 'finish') say('DEPLOYED', { result, lacking });
    }
  } catch (error) {
    say('DEPLOY_FAILED', { code: error.code, message: error.message, stack: error.stack });
  } finally {
    await job.close();
  }
}

export async function audit(name, secrets) {
  const order = { kind: 'audit', rev: '1', taskId: 3, sessionId: 3, manifestId: decodeManifest(manifestBytes).id, disk: identityOf(diskAt(name)), luksSecrets: secrets };
  const { chunks, differingChunks, layoutDiffers } = await runAudit(order, { machine: machineWith(name).machine, signal, onProgress });
  say('AUDITED', { chunks, differingChunks, layoutDiffers });
}
`;
