/**
 * A light host: a program in a network namespace that behaves like a PC without running one. Its firmware asks the
 * server what to boot, runs the real agent for it, and "boots the local disk" by powering off, so that the host can be
 * woken again. Its console goes to stdout.
 *
 * light-host.ts --server URL --mac MAC --uuid UUID --hardware FILE --power on|asleep --agent FILE [--workers N]
 *               [--buffer-mib N]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { magicPacketFor } from './magic-packet.ts';

/** Exit codes of an agent that was started with `--on-release exit`. */
const EXIT_REBOOT = 10;
const EXIT_POWER_OFF = 11;
const EXIT_TOKEN_REFUSED = 12;
/** Firmware with the network as its only boot entry asks for ever, with this much time between. */
const ASK_AGAIN_MS = 1000;
/** A kernel that panics with `panic=2` reboots after this long. */
const CRASH_REBOOT_MS = 2000;

const ROOT = join(import.meta.dirname, '..');

interface BootAnswer {
  readonly target: 'local' | 'agent';
  readonly reason?: string;
  readonly server?: string;
  readonly bootToken?: string;
}

const { values } = parseArgs({
  options: {
    server: { type: 'string' },
    mac: { type: 'string' },
    uuid: { type: 'string' },
    hardware: { type: 'string' },
    power: { type: 'string', default: 'on' },
    agent: { type: 'string' },
    workers: { type: 'string', default: '1' },
    // Forty light hosts share the memory of one machine.
    'buffer-mib': { type: 'string', default: '8' },
  },
});
const server = need('server');
const mac = need('mac');
const uuid = need('uuid');
const hardware = need('hardware');
const agentProgram = need('agent');

let agent: ChildProcess | undefined;
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void pullThePlug());

let isOn = values.power === 'on';
for (;;) {
  if (!isOn) {
    say('powered off; a magic packet wakes it');
    await magicPacketFor(mac);
    say('woken by a magic packet');
  }
  isOn = await bootOnce();
}

/** One power-on: true when the machine is to boot again at once, false when it is off afterwards. */
async function bootOnce(): Promise<boolean> {
  say('network boot');
  const answer = await askBootTarget();
  if (answer.target === 'local' || answer.server === undefined || answer.bootToken === undefined) {
    say(`boots its local disk (${answer.reason ?? 'no reason given'})`);
    return false;
  }
  const code = await runAgent(answer.server, answer.bootToken);
  if (code === EXIT_REBOOT) say('the agent reboots the machine');
  else if (code === EXIT_POWER_OFF) say('the agent powers the machine off');
  else if (code === EXIT_TOKEN_REFUSED) say('the server does not know the agent any more; the machine reboots');
  else {
    say(`the agent died (${code}); the machine reboots`);
    await delay(CRASH_REBOOT_MS);
  }
  return code !== EXIT_POWER_OFF;
}

async function askBootTarget(): Promise<BootAnswer> {
  for (let tries = 0; ; tries++) {
    try {
      return await fetchBootTarget();
    } catch (error) {
      if (tries === 0) say(`nobody answers yet: ${(error as Error).message}`);
      await delay(ASK_AGAIN_MS);
    }
  }
}

function fetchBootTarget(): Promise<BootAnswer> {
  const url = new URL('/boot/v1/next', server);
  url.searchParams.set('mac', mac);
  url.searchParams.set('uuid', uuid);
  return new Promise((resolve, reject) => {
    const request = get(url, { timeout: 5000, agent: false }, async (response) => {
      try {
        const parts: Buffer[] = [];
        for await (const part of response) parts.push(part as Buffer);
        const text = Buffer.concat(parts).toString();
        if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}: ${text}`);
        resolve(JSON.parse(text) as BootAnswer);
      } catch (error) {
        reject(error);
      }
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
    request.on('error', reject);
  });
}

async function runAgent(agentServer: string, bootToken: string): Promise<number | string> {
  const argv = [agentProgram, '--server', agentServer, '--boot-token', bootToken, '--hardware', hardware];
  argv.push('--workers', values.workers, '--buffer-mib', values['buffer-mib'], '--on-release', 'exit');
  const started = spawn(join(ROOT, 'bin/node'), argv, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  agent = started;
  say(`agent runs as process ${started.pid}`);
  const [code, signal] = (await once(started, 'exit')) as [number | null, string | null];
  agent = undefined;
  return code ?? signal ?? 'unknown';
}

async function pullThePlug(): Promise<void> {
  if (agent !== undefined) {
    const ended = once(agent, 'exit');
    agent.kill('SIGTERM');
    await Promise.race([ended, delay(2000)]);
    agent?.kill('SIGKILL');
  }
  process.exit(0);
}

function say(text: string): void {
  console.log(`${new Date().toISOString()} firmware: ${text}`);
}

function need(option: 'server' | 'mac' | 'uuid' | 'hardware' | 'agent'): string {
  const value = values[option];
  if (value === undefined) throw new Error(`--${option} is missing`);
  return value;
}
