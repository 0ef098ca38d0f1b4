/** The unix socket of the admin API: claimed from dead daemons, never from a live one. */
import { chmod, lstat, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { knownError } from '#protocol/errors.ts';
import { makeFolder } from '#system/folder.ts';
import type { App } from './app.ts';

/** Owner and group may open it, nobody else. */
const SOCKET_MODE = 0o660;

/**
 * Makes the folder, and removes the socket that a dead daemon left. Throws SOCKET_TAKEN when a daemon answers there,
 * CONFIG_BAD_VALUE when the path is no socket, and FOLDER_UNUSABLE.
 */
export async function claimSocket(path: string): Promise<void> {
  await makeFolder(dirname(path), '[daemon] socket, or serve --socket', 0o755);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    const problem = 'there is a file of that name, and it is not a socket';
    throw knownError('CONFIG_BAD_VALUE', { key: 'daemon.socket', value: path, path: 'the config', problem });
  }
  if (await answers(path)) throw knownError('SOCKET_TAKEN', { socket: path });
  await rm(path, { force: true });
}

/** Throws SOCKET_TAKEN. */
export async function listenOnSocket(app: App, path: string): Promise<void> {
  try {
    // Until the chmod only the owner may connect: connecting needs the right to write (unix(7)), which the umask takes from others.
    await app.listen({ path });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw knownError('SOCKET_TAKEN', { socket: path }, { cause: error });
  }
  await chmod(path, SOCKET_MODE);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const finish = (isAlive: boolean) => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.once('connect', () => finish(true));
    // A full backlog (EAGAIN) or a socket of somebody else (EACCES) is a live one; only a refusal says that nobody listens.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => finish(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
