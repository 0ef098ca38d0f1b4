/** `fleetcast audit`: how far disks have drifted from an image. Nothing is written. */
import { Command } from 'commander';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import { refusedIn } from '#protocol/admin/plan-api.ts';
import { knownError } from '#protocol/errors.ts';
import { luksSecretOption, onDoneOption, onFailureOption } from './capture.ts';
import { chosenHosts, splitNames } from './chosen-hosts.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, invocationOf, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { isAcceptable } from './plan-question.ts';
import { renderPlan } from './plan-view.ts';
import { tellStarted } from './started.ts';
import { watchSession } from './watch.ts';

interface AuditOptions {
  group?: string[];
  image: string;
  disk?: string;
  luksSecret?: string[];
  onDone: DeployRequest['onDone'];
  onFailure: NonNullable<DeployRequest['onFailure']>;
  skipRefused?: boolean;
  watch: boolean;
}

export function auditCommand(cli: Cli): Command {
  const command = new Command('audit')
    .description('Compare the disks of hosts with an image; nothing is written. Exit code 3 when any differs')
    .argument('[host|group...]', 'hosts by name or id, groups by name')
    .requiredOption('--image <image>', 'NAME (its newest version) or NAME@VERSION')
    .option('-g, --group <group>', 'all hosts of a group (repeatable)', collectNames)
    .option(
      '--disk <rule>',
      'which disk of each host: serial=…, wwn=…, path=…, size>100G, transport=nvme, each (all that hold the image), …',
    )
    .addOption(luksSecretOption('what opens the LUKS containers of the hosts'))
    .addOption(onDoneOption())
    .addOption(onFailureOption())
    .option('--skip-refused', 'leave out the hosts that cannot take part instead of stopping')
    .option('--watch', 'follow the audit to its end (the default)', true)
    .option('--no-watch', 'return when it has started; see it later: fleetcast session show')
    .action(async (names: string[], options: AuditOptions, self: Command) => {
      const invocation = invocationOf(cli, self);
      const { link, terminal, isJson } = invocation;
      const named = await splitNames(invocation, names);
      const hosts = await chosenHosts(invocation, named.hosts, [...named.groups, ...(options.group ?? [])]);
      const request = requestOf(hosts, options);
      const plan = await link.post('plan', apiPath`/plans/deploy`, request);
      if (!isAcceptable(plan, request.skipRefused)) {
        if (!isJson) terminal.outLine(renderPlan(plan));
        throw knownError('PLAN_REFUSED', { what: refusedIn(plan.hosts) ?? 'every host' });
      }
      const session = await link.post('session', apiPath`/sessions/deploy`, { ...request, planId: plan.planId });
      if (options.watch) cli.exitCode = await watchSession(invocation, session.sessionId);
      else tellStarted(invocation, session);
    });
  return withExample(command, 'fleetcast audit --group room-101 --image win11-lab@3');
}

function requestOf(hosts: string[], options: AuditOptions): DeployRequest {
  return {
    ...{ image: options.image, hosts, groups: [], audit: true },
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    ...(options.luksSecret === undefined ? {} : { luksSecrets: options.luksSecret }),
    ...{ start: { when: 'all' }, mode: 'unicast', verify: 'full', delta: 'always' },
    ...{ onDone: options.onDone, onFailure: options.onFailure, skipRefused: options.skipRefused === true },
  };
}
