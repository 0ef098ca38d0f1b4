/** /dhcp of the admin API. */
import { Type } from 'typebox';
import { externalKinds, externalSnippetSchema, leaseViewSchema } from '#protocol/admin/dhcp-api.ts';
import type { NetworkBoot } from '../boot/network-boot.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { App } from './app.ts';
import { withReservations } from './lease-list.ts';

const kindParams = Type.Object({ kind: Type.Enum([...externalKinds]) });

export function addDhcpRoutes(
  app: App,
  { networkBoot, hosts }: { networkBoot: Pick<NetworkBoot, 'leases' | 'externalSnippet'>; hosts: Hosts },
): void {
  app.get(
    '/dhcp/leases',
    { schema: { summary: 'Addresses that DHCP gave', response: { 200: Type.Array(leaseViewSchema) } } },
    async () => {
      const leases = networkBoot.leases();
      return leases === undefined ? [] : withReservations(leases, hosts.list());
    },
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
