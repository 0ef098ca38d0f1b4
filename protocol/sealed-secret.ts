/**
 * A secret sealed to the one agent that may read it, because the agent API itself is plain HTTP: whoever listens on the deployment
 * network learns nothing, whoever shows a token that he has heard neither. docs/luks.md says what it does not protect against.
 *
 * The agent makes an X25519 key pair when it starts and says its public key in its hello, which spends the boot token; the server
 * seals to that key alone. For each answer it makes a key pair of its own.
 *
 *   shared = X25519(one's private key, the other's public key)                                        RFC 7748
 *   key    = HKDF-SHA-256(shared, salt = SHA-256(agent token), info = CONTEXT · task · name · agent key · server key)   RFC 5869
 *   sealed = AES-256-GCM(key, nonce = 12 zero bytes, secret): ciphertext, then 16 bytes of tag         a key seals once
 *
 * Public keys are 32 raw bytes in base64url; `info` is UTF-8 text, its parts joined by line feeds.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { type Static, Type } from 'typebox';

const CONTEXT = 'fleetcast secret v1';
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE = Buffer.alloc(12);
/** RFC 8410, 7: what comes before the 32 bytes of a private key of X25519. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** An X25519 public key. */
export const sealKeySchema = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });

export const sealedSecretSchema = Type.Object({
  /** Of the server, for this answer alone. */
  publicKey: sealKeySchema,
  /** base64. */
  sealed: Type.String(),
});
export type SealedSecret = Static<typeof sealedSecretSchema>;

export interface SealKeyPair {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** What a sealed secret is for; both sides must mean the same. */
export interface SealPurpose {
  /** SHA-256 of the agent token. */
  readonly tokenHash: Uint8Array;
  readonly taskId: number;
  readonly name: string;
}

/** A new key pair, or that of a private key of 32 bytes. */
export function makeSealKeyPair(seed?: Uint8Array): SealKeyPair {
  const privateKey =
    seed === undefined
      ? generateKeyPairSync('x25519').privateKey
      : createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  return { publicKey: x!, privateKey };
}

/** `own` is a key pair that seals nothing else. Throws an Error when `agentKey` is no public key. */
export function sealSecret(
  secret: Uint8Array,
  agentKey: string,
  purpose: SealPurpose,
  own: SealKeyPair = makeSealKeyPair(),
): SealedSecret {
  const key = keyOf(own.privateKey, agentKey, purpose, [agentKey, own.publicKey]);
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  key.fill(0);
  const sealed = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
  return { publicKey: own.publicKey, sealed: sealed.toString('base64') };
}

/** Undefined: it was sealed to somebody else, for something else, or changed on its way. */
export function unsealSecret(
  { publicKey, sealed }: SealedSecret,
  own: SealKeyPair,
  purpose: SealPurpose,
): Buffer | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < TAG_BYTES) return undefined;
  try {
    const key = keyOf(own.privateKey, publicKey, purpose, [own.publicKey, publicKey]);
    const decipher = createDecipheriv('aes-256-gcm', key, NONCE);
    key.fill(0);
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    // In this mode `final` has no bytes of its own: it checks. What was changed on its way is not handed out.
    const secret = decipher.update(bytes.subarray(0, -TAG_BYTES));
    decipher.final();
    return secret;
  } catch {
    return undefined;
  }
}

function keyOf(
  privateKey: KeyObject,
  otherKey: string,
  { tokenHash, taskId, name }: SealPurpose,
  publicKeys: readonly [agent: string, server: string],
): Buffer {
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: otherKey }, format: 'jwk' });
  const shared = diffieHellman({ privateKey, publicKey });
  const info = [CONTEXT, taskId, name, ...publicKeys].join('\n');
  const key = Buffer.from(hkdfSync('sha256', shared, tokenHash, info, KEY_BYTES));
  shared.fill(0);
  return key;
}
