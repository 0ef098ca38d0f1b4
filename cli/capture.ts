/** `fleetcast capture`: makes an image, or its next version, from a host's disk. */
import { Command, Option } from 'commander';
import type { CaptureRequest } from '#protocol/admin/capture-api.ts';
import { parseChunkSize } from './chunk-size.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, invocationOf, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { tellStarted } from './started.ts';
import { watchSession } from './watch.ts';

interface CaptureOptions {
  as: string;
  disk?: string;
  chunkSize?: number;
  rescue?: boolean;
  luksSecret?: string[];
  onDone: CaptureRequest['onDone'];
  onFailure: NonNullable<CaptureRequest['onFailure']>;
  watch: boolean;
}

export function captureCommand(cli: Cli): Command {
  const command = new Command('capture')
    .description(
      "Capture a host's disk (or several) as an image; disks are only read. The same name again makes the next version",
    )
    .argument('<host>', 'name or id')
    .requiredOption('--as <image>', 'name of the image')
    .option(
      '--disk <rule>',
      'which disk: serial=…, wwn=…, path=…, size>100G, transport=nvme, joined with commas; each, or several rules joined with semicolons: one image of several disks',
    )
    .addOption(new Option('--chunk-size <size>', 'power of two from 64K to 4M').argParser(parseChunkSize))
    .option('--rescue', 'read on over bad sectors: what is lost becomes zeros, is listed, and the image says so')
    .addOption(luksSecretOption('what opens its LUKS containers, so that the used blocks inside are captured'))
    .addOption(onDoneOption())
    .addOption(onFailureOption())
    .option('--watch', 'follow the session to its end (the default)', true)
    .option('--no-watch', 'return when the session has started')
    .action(async (host: string, options: CaptureOptions, self: Command) => {
      const invocation = invocationOf(cli, self);
      const request: CaptureRequest = {
        host,
        image: options.as,
        ...(options.disk === undefined ? {} : { disk: options.disk }),
        ...(options.chunkSize === undefined ? {} : { chunkBytes: options.chunkSize }),
        ...(options.rescue === true ? { rescue: true } : {}),
        ...(options.luksSecret === undefined ? {} : { luksSecrets: options.luksSecret }),
        onDone: options.onDone,
        onFailure: options.onFailure,
      };
      const session = await invocation.link.post('session', apiPath`/sessions/capture`, request);
      if (options.watch) cli.exitCode = await watchSession(invocation, session.sessionId);
      else tellStarted(invocation, session);
    });
  return withExample(command, 'fleetcast capture pc-07 --as win11-lab');
}

/** Names of secrets. */
export function luksSecretOption(meaning: string): Option {
  return new Option(
    '--luks-secret <names>',
    `${meaning}: secrets by name, joined with commas (repeatable; fleetcast secret add)`,
  ).argParser(collectNames);
}

/** What the host does afterwards. */
export function onDoneOption(): Option {
  return new Option('--on-done <action>', 'what a host does when it is done')
    .choices(['reboot', 'poweroff', 'stay'])
    .default('reboot');
}

/** What the host does when it has failed. */
export function onFailureOption(): Option {
  return new Option('--on-failure <action>', 'what a host does when it has failed')
    .choices(['stay', 'reboot', 'poweroff'])
    .default('stay');
}
