/** /secrets of the admin API. */
import { Type } from 'typebox';
import { newSecretSchema, secretViewSchema } from '#protocol/admin/secret-api.ts';
import type { Secrets } from '../inventory/secrets.ts';
import type { App } from './app.ts';

export interface SecretServices {
  readonly secrets: Secrets;
}

export function addSecretRoutes(app: App, { secrets }: SecretServices): void {
  app.get(
    '/secrets',
    {
      schema: {
        summary: 'Names of the secrets that hosts may be given',
        response: { 200: Type.Array(secretViewSchema) },
      },
    },
    async () => secrets.list(),
  );
  app.post(
    '/secrets',
    { schema: { summary: 'Adds a secret', body: newSecretSchema, response: { 200: secretViewSchema } } },
    async ({ body }) => secrets.add(body),
  );
  app.delete(
    '/secrets/:secret',
    { schema: { summary: 'Removes a secret', params: Type.Object({ secret: Type.String() }) } },
    async ({ params }, reply) => {
      await secrets.remove(params.secret);
      return reply.code(204).send();
    },
  );
}
