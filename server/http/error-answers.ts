/** Errors as answers: known ones as they are, everything else as a bug with a log id. */
import { randomBytes } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { KnownError, knownError } from '#protocol/errors.ts';
import { blockedError } from '../db/database.ts';

export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  // A client that has gone hears nothing, and what was under way for it may have ended in any way.
  if (request.raw.destroyed && request.raw.socket.destroyed) {
    request.log.debug({ err: error, url: request.url }, 'the client went away');
    reply.hijack();
    return;
  }
  const known = toKnownError(error);
  if (known !== undefined) {
    if (known.status >= 500) request.log.warn({ code: known.code, url: request.url, err: error }, known.message);
    void reply.code(known.status).send({ error: known.toBody() });
    return;
  }
  const logId = randomBytes(5).toString('hex');
  request.log.error({ logId, method: request.method, url: request.url, err: error }, 'a bug');
  const bug = knownError('INTERNAL', { logId });
  void reply.code(bug.status).send({ error: bug.toBody() });
}

export function answerNotFound(request: FastifyRequest, reply: FastifyReply): void {
  const path = request.url.replace(/\?.*$/s, '');
  const error = knownError('NOT_FOUND', { method: request.method, path });
  void reply.code(error.status).send({ error: error.toBody() });
}

function toKnownError(error: unknown): KnownError | undefined {
  if (error instanceof KnownError) return error;
  const blocked = blockedError(error);
  if (blocked !== undefined) return blocked;
  const { validation, validationContext, statusCode, message } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const first = validation[0];
    const place = `${validationContext ?? 'request'}${first?.instancePath ?? ''}`;
    return knownError('INVALID_REQUEST', { problem: `${place} ${first?.message ?? 'is not valid'}` }, { cause: error });
  }
  // Fastify's own refusals: no JSON, a body too large, an unknown media type.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return knownError('INVALID_REQUEST', { problem: message ?? 'it cannot be read' }, { cause: error });
  }
  return undefined;
}
