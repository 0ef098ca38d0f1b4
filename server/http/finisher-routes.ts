/** /finishers of the admin API, and what groups and images choose. */
import { Type } from 'typebox';
import { finisherDefaultSchema, finisherViewSchema, newFinisherSchema } from '#protocol/admin/finisher-api.ts';
import type { Catalog } from '../images/catalog.ts';
import type { Finishers } from '../inventory/finishers.ts';
import type { Groups } from '../inventory/groups.ts';
import type { App } from './app.ts';

export interface FinisherServices {
  readonly finishers: Finishers;
  readonly groups: Pick<Groups, 'requireKnown'>;
  readonly catalog: Pick<Catalog, 'view'>;
}

const choice = Type.Object({ finishers: finisherDefaultSchema.properties.finishers });

export function addFinisherRoutes(app: App, { finishers, groups, catalog }: FinisherServices): void {
  app.get(
    '/finishers',
    {
      schema: {
        summary: 'The built-in finishers, and the own ones',
        response: { 200: Type.Array(finisherViewSchema) },
      },
    },
    async () => finishers.list(),
  );
  app.post(
    '/finishers',
    { schema: { summary: 'Adds a finisher', body: newFinisherSchema, response: { 200: finisherViewSchema } } },
    async ({ body }) => finishers.add(body),
  );
  app.delete(
    '/finishers/:finisher',
    { schema: { summary: 'Removes an own finisher', params: Type.Object({ finisher: Type.String() }) } },
    async ({ params }, reply) => {
      await finishers.remove(params.finisher);
      return reply.code(204).send();
    },
  );
  app.post(
    '/groups/:group/finishers',
    {
      schema: {
        summary: 'What hosts of the group run when a session says nothing; null takes it back',
        params: Type.Object({ group: Type.String() }),
        body: choice,
        response: { 200: finisherDefaultSchema },
      },
    },
    async ({ params, body }) => {
      groups.requireKnown(params.group);
      return finishers.setDefault('group', params.group, body.finishers);
    },
  );
  app.post(
    '/images/:image/finishers',
    {
      schema: {
        summary: 'What runs after the image is laid when neither session nor group say something; null takes it back',
        params: Type.Object({ image: Type.String() }),
        body: choice,
        response: { 200: finisherDefaultSchema },
      },
    },
    async ({ params, body }) => {
      const { name } = await catalog.view(params.image);
      return finishers.setDefault('image', name, body.finishers);
    },
  );
}
