/** Secrets sealed to one agent. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { makeSealKeyPair, type SealPurpose, sealSecret, unsealSecret } from '#protocol/sealed-secret.ts';

const agent = makeSealKeyPair(Buffer.alloc(32, 1));
const hashOf = (token: string) => createHash('sha256').update(token).digest();
const purpose: SealPurpose = { tokenHash: hashOf('token-of-the-agent'), taskId: 7, name: 'room-101' };

test('the agent that it is sealed to reads the secret', () => {
  const sealed = sealSecret(Buffer.from('open sesame'), agent.publicKey, purpose);
  assert.equal(unsealSecret(sealed, agent, purpose)?.toString(), 'open sesame');
  assert.ok(!Buffer.from(sealed.sealed, 'base64').includes('open sesame'));
});

test('two answers with the same secret have nothing in common', () => {
  const [a, b] = [1, 2].map(() => sealSecret(Buffer.from('open sesame'), agent.publicKey, purpose));
  assert.notEqual(a!.publicKey, b!.publicKey);
  assert.notEqual(a!.sealed, b!.sealed);
});

test('nobody else reads it, nor for another task, name or token, nor when a bit of it has changed', () => {
  const sealed = sealSecret(Buffer.from('open sesame'), agent.publicKey, purpose);
  assert.equal(unsealSecret(sealed, makeSealKeyPair(), purpose), undefined);
  assert.equal(unsealSecret(sealed, agent, { ...purpose, taskId: 8 }), undefined);
  assert.equal(unsealSecret(sealed, agent, { ...purpose, name: 'room-102' }), undefined);
  assert.equal(unsealSecret(sealed, agent, { ...purpose, tokenHash: hashOf('another') }), undefined);
  const changed = Buffer.from(sealed.sealed, 'base64');
  changed[0]! ^= 1;
  assert.equal(unsealSecret({ ...sealed, sealed: changed.toString('base64') }, agent, purpose), undefined);
  assert.equal(unsealSecret({ ...sealed, sealed: '' }, agent, purpose), undefined);
});

test('a private key has the public key of RFC 7748, section 6.1', () => {
  const seed = Buffer.from('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb', 'hex');
  assert.equal(
    Buffer.from(makeSealKeyPair(seed).publicKey, 'base64url').toString('hex'),
    'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  );
});

test('what is sealed is what another program makes of the same keys', () => {
  // Made with X25519, HKDF and AESGCM of python3-cryptography 48.0.0 from the recipe in protocol/sealed-secret.ts.
  const made = {
    publicKey: 'zo060cy2M-x7cMF4FKXHbs0CloUFDTRHRboFhw5YfVk',
    sealed: '5CmD9B8DKRX/Z87nDGGnrs9QdyRUpzcCiLPU',
  };
  const server = makeSealKeyPair(Buffer.alloc(32, 2));
  assert.deepEqual(sealSecret(Buffer.from('open sesame'), agent.publicKey, purpose, server), made);
  assert.equal(unsealSecret(made, agent, purpose)?.toString(), 'open sesame');
});
