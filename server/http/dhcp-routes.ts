/** /dhcp of the admin API. */
import { Type } from 'typebox';
import { externalKinds, externalSnippetSchema, leaseViewSchema } from '#protocol/admin-api.ts';
import type { NetworkBoot } from '../boot/network-boot.ts';
import type { App } from './app.ts';

const kindParams = Type.Object({ kind: Type.Enum([...externalKinds]) });

export function addDhcpRoutes(
  app: App,
  { networkBoot }: { networkBoot: Pick<NetworkBoot, 'leases' | 'externalSnippet'> },
): void {
  app.get(
    '/dhcp/leases',
    { schema: { summary: 'Addresses that DHCP gave', response: { 200: Type.Array(leaseViewSchema) } } },
    async () => networkBoot.leases(),
  );
  app.get(
    '/dhcp/external/:kind',
    {
      schema: {
        summary: 'A snippet for the DHCP server that the network has already',
        params: kindParams,
        response: { 200: externalSnippetSchema },
      },
    },
    async ({ params }) => ({ text: networkBoot.externalSnippet(params.kind) }),
  );
}
