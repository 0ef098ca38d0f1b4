import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeWords } from '#cli/completion-words.ts';
import { makeCli } from '#cli/invocation.ts';
import { buildProgram } from '#cli/program.ts';
import { Terminal } from '#cli/terminal.ts';

const program = buildProgram(makeCli(new Terminal(process, {})));
const complete = (...words: string[]) => completeWords(program, words);

test('commands, subcommands and options are completed from the tree of commands', () => {
  assert.deepEqual(complete('ho').words, ['host']);
  assert.deepEqual(complete('session', 'start').words, ['start-now']);
  assert.ok(complete('').words.includes('deploy'));
  assert.ok(!complete('').words.includes('__complete'));
  assert.deepEqual(complete('deploy', 'x', '--ver').words, ['--verify', '--version']);
  assert.ok(complete('deploy', '--').words.includes('--json'));
});

test('values of an option are completed, after a blank and after an equals sign', () => {
  assert.deepEqual(complete('deploy', 'x', '--mode', 'u').words, ['unicast']);
  assert.deepEqual(complete('deploy', 'x', '--mode=u').words, ['--mode=unicast']);
});

test('names come from the daemon where a host, group, image or session belongs', () => {
  assert.equal(complete('host', 'show', '').dynamic, 'host');
  assert.equal(complete('group', 'add', 'room', 'pc-1', 'pc').dynamic, 'host');
  assert.equal(complete('group', 'add', '').dynamic, 'group');
  assert.equal(complete('deploy', '').dynamic, 'image');
  assert.equal(complete('--socket', '/tmp/x', 'deploy', '').dynamic, 'image');
  assert.equal(complete('session', 'watch', '').dynamic, 'session');
  assert.equal(complete('host', 'import', '').dynamic, 'file');
  assert.equal(complete('host', 'show', 'pc-1', '').dynamic, undefined);
});

test('a list of names goes on after each comma', () => {
  assert.deepEqual(complete('deploy', 'x', '--hosts', 'pc-1,pc-'), { words: [], dynamic: 'host', listPrefix: 'pc-1,' });
  assert.equal(complete('deploy', 'x', '--hosts=pc-1,pc-').listPrefix, '--hosts=pc-1,');
});
