import { createCipheriv, createHash } from 'node:crypto';

/** `count` bytes of noise that no compressor shrinks; the same for the same seed. */
export function seededBytes(seed: string, count: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(count));
}
