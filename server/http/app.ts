/** What both HTTP apps of the daemon share: typed schemas, JSON in and out, and one way to answer errors. */
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  fastify,
  LogController,
} from 'fastify';
import type { Logger } from '#system/log.ts';
import { answerError, answerNotFound } from './error-answers.ts';

/** Largest JSON body in bytes: a CSV of some 20,000 hosts. */
const MAX_JSON_BYTES = 2 * 1024 * 1024;

export type App = ReturnType<typeof makeApp>;

export function makeApp(log: Logger, options: Pick<FastifyServerOptions, 'connectionTimeout'> = {}) {
  const app: FastifyInstance = fastify({
    ...options,
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: answerError,
    bodyLimit: MAX_JSON_BYTES,
    exposeHeadRoutes: false,
    // A stopping daemon does not wait for streams and long polls: their clients come again.
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
  });
  const typed = app.withTypeProvider<TypeBoxTypeProvider>().setValidatorCompiler(TypeBoxValidatorCompiler);
  // The answers are typed by the same schemas at compile time; serializing by schema would only drop what a schema forgot.
  typed.setSerializerCompiler(() => (data) => JSON.stringify(data));
  const parseJson = typed.getDefaultJsonParser('error', 'error');
  typed.removeContentTypeParser('application/json');
  typed.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // `curl -H 'content-type: application/json' -X POST …/approve` has nothing to say.
    if (body === '') done(null, undefined);
    else parseJson(request, body as string, done);
  });
  typed.setErrorHandler(answerError);
  typed.setNotFoundHandler(answerNotFound);
  return typed;
}
