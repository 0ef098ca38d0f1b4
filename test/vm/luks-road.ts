/**
 * What runs on the workbench to show LUKS containers and several disks: the agent's own capture, deployment and audit, with a server in
 * memory. JavaScript as text, bundled as the agent is; what it finds it prints as lines of `NAME JSON`. Where it takes the name of a disk it
 * takes a list too: one image of all, each its part of such an image, or the same image on each.
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

export async function capture(names, keys) {
  const disks = [names].flat().map(diskAt);
  const [disk, ...moreDisks] = disks.map(identityOf);
  const order = { kind: 'capture', rev: '1', taskId: 1, sessionId: 1, disk, moreDisks, chunkBytes: 262144, zstdLevel: 1 };
  try {
    const result = await runCapture(order, { disks, link: uploadLink, keys: keys.map((key) => Buffer.from(key)), signal, onProgress });
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

/** What an order says of the disks: each takes its part, or all of an image of one disk. */
function orderedDisks(manifest, names) {
  const [disk, ...others] = [names].flat().map((name) => identityOf(diskAt(name)));
  const isPair = manifest.head.moreDisks !== undefined;
  const twins = others.map((other, i) => ({ disk: other, ...(isPair ? { source: i + 1 } : {}) }));
  return { disk, ...(twins.length === 0 ? {} : { twins }) };
}

/** A machine with those disks whose secrets are what they are called. */
function machineWith(names) {
  let holes = 0;
  const machine = {
    readInventory: async () => ({ disks: [names].flat().map(diskAt), interface: 'lo', serial: 'S', mac: '52:54:00:00:00:01', firmware: 'bios' }),
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

export async function deploy(names, secrets, { hash = false, grow = undefined, finishing = undefined, stopAfter = undefined } = {}) {
  const manifest = decodeManifest(manifestBytes);
  const ordered = orderedDisks(manifest, names);
  const fit = grow === undefined ? {} : { fit: { ...fitTo(manifest.head, ordered.disk.sizeBytes, grow).fit, grow } };
  const order = { kind: 'deploy', rev: '1', taskId: 2, sessionId: 2, manifestId: manifest.id, ...ordered, round: 0, luksSecrets: secrets, ...fit };
  const { machine, holes } = machineWith(names);
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

export async function audit(names, secrets) {
  const manifest = decodeManifest(manifestBytes);
  const order = { kind: 'audit', rev: '1', taskId: 3, sessionId: 3, manifestId: manifest.id, ...orderedDisks(manifest, names), luksSecrets: secrets };
  const { chunks, differingChunks, strayBytes, layoutDiffers, disks } = await runAudit(order, { machine: machineWith(names).machine, signal, onProgress });
  say('AUDITED', { chunks, differingChunks, strayBytes, layoutDiffers, disks });
}
`;
