/** `fleetcast secret …`: passphrases and key files that hosts are given; no command shows one. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { ReadStream } from 'node:tty';
import { Command } from 'commander';
import { MAX_SECRET_BYTES } from '#protocol/secret.ts';
import { apiPath } from './daemon-link.ts';
import { formatTime } from './duration.ts';
import { type Cli, invocationOf, listing, pathOf, show, withExample } from './invocation.ts';
import { usageError } from './usage-error.ts';

export function secretCommand(cli: Cli): Command {
  return new Command('secret')
    .description('Secrets: passphrases and key files of LUKS containers, which the server keeps and gives to hosts')
    .addCommand(listCommand(cli))
    .addCommand(addCommand(cli))
    .addCommand(removeCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = new Command('list')
    .description('List the names of the secrets')
    .action(async (_options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const secrets = await invocation.link.get('secrets', apiPath`/secrets`);
      const rows = secrets.map(({ name, createdAtMs, chosenBy }) => [
        name,
        formatTime(createdAtMs),
        chosenBy.join(', '),
      ]);
      const next = 'There is no secret. Next: fleetcast secret add NAME --from-file FILE';
      show(invocation, secrets, () => listing(invocation, ['SECRET', 'ADDED', 'CHOSEN BY'], rows, next));
    });
  return withExample(command, 'fleetcast secret list');
}

function addCommand(cli: Cli): Command {
  const command = new Command('add')
    .description('Add a secret. It is read from a file or from standard input, so that it stands on no command line')
    .argument('<name>', 'its name')
    .requiredOption('--from-file <file>', 'a file whose one line is the passphrase; -: standard input')
    .option('--key-file', 'take the file byte for byte, as cryptsetup takes a key file')
    .action(async (name: string, options: { fromFile: string; keyFile?: boolean }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const bytes = await readSource(options.fromFile, invocation.terminal.stdin, pathOf(self));
      const secret = options.keyFile === true ? bytes : passphraseOf(bytes, pathOf(self));
      const added = await invocation.link.post('secret', apiPath`/secrets`, {
        name,
        content: secret.toString('base64'),
      });
      const next = `Use it: fleetcast capture HOST --as IMAGE --luks-secret ${name}   fleetcast deploy IMAGE … --luks-secret ${name}   or for good: fleetcast group set GROUP --luks-secret ${name}`;
      show(invocation, added, () => `Secret ${name} added. ${next}`);
    });
  return withExample(command, 'fleetcast secret add room-101-disks --from-file /root/passphrase');
}

function removeCommand(cli: Cli): Command {
  const command = new Command('remove')
    .description('Remove a secret. What was encrypted with it stays so')
    .argument('<name>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const secrets = await invocation.link.get('secrets', apiPath`/secrets`);
      const { chosenBy = [] } = secrets.find((one) => one.name === name) ?? {};
      await invocation.link.delete(apiPath`/secrets/${name}`);
      const still = chosenBy.length === 0 ? '' : ` Still chosen by ${chosenBy.join(', ')}: add another under its name.`;
      show(invocation, { removed: [name] }, () => `Secret ${name} removed.${still}`);
    });
  return withExample(command, 'fleetcast secret remove room-101-disks');
}

async function readSource(file: string, stdin: ReadStream, command: string): Promise<Buffer> {
  if (file === '-') {
    if (stdin.isTTY) throw usageError('Standard input is a terminal, which would show what is typed', command);
    return buffer(stdin);
  }
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw usageError(`${file} cannot be read (${error.code ?? error.message})`, command);
  });
}

/**
 * The one line of a passphrase, without the end of line that editors and echo put behind it. Pure. Throws USAGE.
 */
function passphraseOf(bytes: Buffer, command: string): Buffer {
  const end = bytes.at(-1) === 0x0a ? bytes.length - (bytes.at(-2) === 0x0d ? 2 : 1) : bytes.length;
  const line = bytes.subarray(0, end);
  if (line.length === 0) throw usageError('The passphrase is empty', command);
  const isOneLine = !line.includes(0x0a) && !line.includes(0);
  if (!isOneLine || bytes.length > MAX_SECRET_BYTES) {
    throw usageError('A passphrase is one line of text; for any other file say --key-file', command);
  }
  return line;
}
