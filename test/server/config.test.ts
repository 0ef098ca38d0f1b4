import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KnownError } from '#protocol/errors.ts';
import { defaultConfig, loadConfig, parseConfig } from '#server/config.ts';
import { describeConfig, renderConfig, renderConfigPage } from '#server/config-view.ts';
import { tempFolder } from '#test/temp-folder.ts';

function refusal(read: () => unknown): KnownError {
  try {
    read();
  } catch (error) {
    if (error instanceof KnownError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

test('an empty file gives the defaults', () => {
  const config = parseConfig('', 'f.toml');
  assert.deepEqual(config, defaultConfig());
  assert.equal(config.network.agentPort, 8470);
  assert.equal(config.network.interface, undefined);
  assert.equal(config.cast.maxMbit, undefined);
  assert.equal(config.capture.chunkBytes, 256 * 1024);
});

test('a rendered config reads back as the same config', () => {
  const config = parseConfig('[network]\ninterface = "eth9"\n[cast]\nmax_mbit = 940.5\nttl = 2', 'f.toml');
  assert.deepEqual(parseConfig(renderConfig(config), 'g.toml'), config);
  assert.deepEqual(parseConfig(renderConfig(defaultConfig()), 'g.toml'), defaultConfig());
});

test('every key has a default or says what holds without it, a range and help', () => {
  for (const { key, default: normal, unset, range, help } of describeConfig(defaultConfig())) {
    assert.ok(normal !== undefined || unset !== undefined, key);
    assert.match(range, /\S/, key);
    assert.doesNotMatch(range, /undefined/, key);
    assert.match(help, /\.$/, key);
  }
});

test('an unknown key is refused with the nearest known one', () => {
  const nearest = (text: string) => refusal(() => parseConfig(text, 'f.toml')).next;
  assert.match(nearest('[network]\nagent_prot = 1'), /Did you mean network\.agent_port\?/);
  assert.match(nearest('[daemon]\nagent_port = 1'), /Did you mean network\.agent_port\?/);
  assert.match(nearest('agent_port = 1'), /Did you mean network\.agent_port\?/);
  assert.match(nearest('[network]\nagentPort = 1'), /Did you mean network\.agent_port\?/);
  assert.match(nearest('[sesion]\nverify_tries = 1'), /Did you mean session\./);
  assert.equal(refusal(() => parseConfig('[network]\nagent_prot = 1', 'f.toml')).code, 'CONFIG_UNKNOWN_KEY');
});

test('a bad value is refused with its range and unit', () => {
  const problem = (text: string) => {
    const error = refusal(() => parseConfig(text, 'f.toml'));
    assert.equal(error.code, 'CONFIG_BAD_VALUE');
    return error.message;
  };
  assert.equal(
    problem('[network]\nagent_port = 99999'),
    'network.agent_port = 99999 in f.toml: must be a whole number from 1 to 65535 (TCP port)',
  );
  assert.match(problem('[network]\nagent_port = "80"'), /"80".*whole number/);
  assert.match(problem('[daemon]\nlog_level = "loud"'), /one of trace, debug/);
  assert.match(problem('[cast]\nport_first = 9001'), /even number/);
  assert.match(problem('[cast]\nport_first = 9400'), /must not be below cast\.port_first/);
  assert.match(problem('[cast]\nrdv_address = "10.0.0.1"'), /multicast/);
  assert.match(problem('[cast]\nrdv_address = "239.1.2.256"'), /multicast/);
  assert.match(problem('[capture]\nchunk_bytes = 100000'), /power of two/);
  assert.match(problem('[session]\nlost_fail_s = 20'), /must not be below session\.lost_after_s/);
  assert.match(problem('network = 3'), /must be a section/);
});

const subnet = '[[boot.subnet]]\nnetwork = "10.77.0.0/24"\npool_first = "10.77.0.10"\npool_last = "10.77.0.20"\n';

test('tables come any number of times, with lists and defaults in each, and read back as they were', () => {
  const second = subnet.replaceAll('10.77', '10.78').concat('dns = ["10.78.0.2", "10.78.0.3"]\nlease_s = 600\n');
  const config = parseConfig(`${subnet}${second}[[boot.interface]]\nname = "eth1"\ndhcp = "full"\n`, 'f.toml');
  assert.deepEqual(
    config.boot.subnet.map(({ network, leaseS, dns, ntp }) => [network, leaseS, dns, ntp]),
    [
      ['10.77.0.0/24', 3600, [], []],
      ['10.78.0.0/24', 600, ['10.78.0.2', '10.78.0.3'], []],
    ],
  );
  assert.deepEqual(config.boot.interface, [{ name: 'eth1', dhcp: 'full' }]);
  assert.deepEqual(parseConfig(renderConfig(config), 'g.toml'), config);
  const keys = describeConfig(config).map(({ key }) => key);
  assert.ok(keys.includes('boot.subnet[1].pool_first') && keys.includes('boot.interface[0].dhcp'));
});

test('a table that cannot be is refused', () => {
  const problem = (text: string) => refusal(() => parseConfig(text, 'f.toml')).message;
  assert.match(problem('[boot]\nsubnet = 3'), /must be a table: \[\[boot\.subnet\]\]/);
  assert.match(problem('[boot]\ndhcp = "full"'), /boot\.dhcp.*needs a table \[\[boot\.subnet\]\]/);
  assert.match(problem('[[boot.subnet]]\nnetwork = "10.77.0.0/24"'), /boot\.subnet\.pool_first = nothing.*is needed/);
  assert.match(problem(`${subnet}pool_frist = "10.77.0.1"`), /Unknown key boot\.subnet\.pool_frist/);
  assert.match(problem(`${subnet}dns = "10.77.0.1"`), /must be a list of up to 8 IPv4 addresses/);
  assert.match(problem(subnet.replace('"10.77.0.20"', '"10.78.0.20"')), /must lie in its network, 10\.77\.0\.0\/24/);
  assert.match(problem(subnet.replace('"10.77.0.20"', '"10.77.0.2"')), /must not be below pool_first/);
  assert.match(problem(subnet + subnet.replace('0/24', '0/16')), /overlaps with 10\.77\.0\.0\/24/);
  const twice = '[[boot.interface]]\nname = "eth1"\n';
  assert.match(problem(twice + twice), /boot\.interface\.name = "eth1".*named twice/);
  const cast = '[[cast.interface]]\nname = "eth1"\nmbit = 100\n';
  assert.match(problem(cast + cast), /cast\.interface\.name = "eth1".*named twice/);
  assert.match(problem('[[cast.interface]]\nname = "eth1"\n'), /cast\.interface\.mbit = nothing.*is needed/);
  assert.match(problem('[boot]\ndhcp_allow = ["52-54-00"]'), /must be a list of MACs/);
});

test('broken TOML is refused with its line', () => {
  const error = refusal(() => parseConfig('[network]\nagent_port = = 3', 'f.toml'));
  assert.equal(error.code, 'CONFIG_UNREADABLE');
  assert.match(error.message, /f\.toml cannot be read: line 2/);
});

test('flags win over the file and are named as flags when they are bad', (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'f.toml');
  writeFileSync(path, '[network]\nagent_port = 1000\ninterface = "eth0"\n[daemon]\ndata_dir = "data"\n');
  const config = loadConfig(path, { agentPort: 2000, socket: '/run/x.sock' });
  assert.equal(config.network.agentPort, 2000);
  assert.equal(config.network.interface, 'eth0');
  assert.equal(config.daemon.socket, '/run/x.sock');
  assert.equal(config.daemon.dataDir, join(process.cwd(), 'data'));
  const error = refusal(() => loadConfig(path, { agentPort: Number.NaN }));
  assert.match(error.message, /^--agent-port = null in the command line/);
});

test('a named file that is absent is refused', () => {
  const error = refusal(() => loadConfig('/nonexistent/fleetcast.toml'));
  assert.equal(error.message, 'The config file /nonexistent/fleetcast.toml cannot be read: it does not exist');
});

test('docs/config.md is what the schema says', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/config.md'), 'utf8');
  assert.equal(page, renderConfigPage(), 'make it again: bin/node server/main.ts config page >docs/config.md');
});
