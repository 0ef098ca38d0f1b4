import type { DeployRequest } from '#protocol/admin/deploy-api.ts';

/** What the CLI sends when nothing is said but the image; the hosts are a test's own. */
export const sampleRequest: DeployRequest = {
  image: 'win11',
  hosts: [],
  groups: [],
  start: { when: 'all' },
  mode: 'multicast',
  verify: 'full',
  onDone: 'reboot',
  skipRefused: false,
};
