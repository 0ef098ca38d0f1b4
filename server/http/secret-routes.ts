/** /secrets of the admin API, and which of them groups and images choose. */
import { Type } from 'typebox';
import { luksChoiceSchema, newSecretSchema, secretViewSchema } from '#protocol/admin/secret-api.ts';
import type { Catalog } from '../images/catalog.ts';
import type { Groups } from '../inventory/groups.ts';
import type { Secrets } from '../inventory/secrets.ts';
import type { App } from './app.ts';

export interface SecretServices {
  readonly secrets: Secrets;
  readonly groups: Pick<Groups, 'requireKnown'>;
  readonly catalog: Pick<Catalog, 'view'>;
}

const choice = Type.Object({ luksSecrets: luksChoiceSchema.properties.luksSecrets });

export function addSecretRoutes(app: App, { secrets, groups, catalog }: SecretServices): void {
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
  app.post(
    '/groups/:group/luks-secrets',
    {
      schema: {
        summary: 'What opens LUKS containers on hosts of the group when a session says nothing; null takes it back',
        params: Type.Object({ group: Type.String() }),
        body: choice,
        response: { 200: luksChoiceSchema },
      },
    },
    async ({ params, body }) => {
      groups.requireKnown(params.group);
      return secrets.setDefault('group', params.group, body.luksSecrets);
    },
  );
  app.post(
    '/images/:image/luks-secrets',
    {
      schema: {
        summary:
          'What opens the LUKS containers of the image when neither session nor group say something; null takes it back',
        params: Type.Object({ image: Type.String() }),
        body: choice,
        response: { 200: luksChoiceSchema },
      },
    },
    async ({ params, body }) => {
      const { name } = await catalog.view(params.image);
      return secrets.setDefault('image', name, body.luksSecrets);
    },
  );
}
