/** /groups of the admin API. */
import { Type } from 'typebox';
import { groupSettingsSchema, groupViewSchema } from '#protocol/admin/group-api.ts';
import type { ChoiceTable } from '../db/choice-table.ts';
import type { Groups } from '../inventory/groups.ts';
import type { App } from './app.ts';

const params = Type.Object({ group: Type.String() });
const nameBody = Type.Object({ name: Type.String() });
const hostsBody = Type.Object({ hosts: Type.Array(Type.String(), { minItems: 1 }) });
const answer = { 200: groupViewSchema };

export interface GroupServices {
  readonly groups: Groups;
  readonly choices: Pick<ChoiceTable, 'follow'>;
}

export function addGroupRoutes(app: App, { groups, choices }: GroupServices): void {
  app.get('/groups', { schema: { summary: 'All groups', response: { 200: Type.Array(groupViewSchema) } } }, async () =>
    groups.list(),
  );
  app.post(
    '/groups',
    { schema: { summary: 'Makes an empty group', body: nameBody, response: answer } },
    async ({ body }) => groups.create(body.name),
  );
  app.post(
    '/groups/:group/rename',
    { schema: { summary: 'Renames a group', params, body: nameBody, response: answer } },
    async ({ params: { group }, body }) => {
      const renamed = groups.rename(group, body.name);
      choices.follow('group', group, renamed.name);
      return renamed;
    },
  );
  app.post(
    '/groups/:group/add',
    {
      schema: {
        summary: 'Puts hosts into a group',
        params,
        body: hostsBody,
        response: answer,
      },
    },
    async ({ params: { group }, body }) => groups.addHosts(group, body.hosts),
  );
  app.post(
    '/groups/:group/remove',
    {
      schema: {
        summary: 'Takes hosts out of a group',
        params,
        body: hostsBody,
        response: answer,
      },
    },
    async ({ params: { group }, body }) => groups.removeHosts(group, body.hosts),
  );
  app.post(
    '/groups/:group/set',
    {
      schema: {
        summary: 'Sets or removes (null) the disk rule of its hosts',
        params,
        body: groupSettingsSchema,
        response: answer,
      },
    },
    async ({ params: { group }, body }) => groups.set(group, body),
  );
  app.delete(
    '/groups/:group',
    { schema: { summary: 'Removes a group; its hosts stay', params, response: { 204: Type.Null() } } },
    async ({ params: { group } }, reply) => {
      groups.remove(group);
      choices.follow('group', group, undefined);
      return reply.code(204).send(null);
    },
  );
}
