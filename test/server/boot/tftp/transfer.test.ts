import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { agreeOn } from '#server/boot/tftp/negotiation.ts';
import { beginTransfer, type Transition, takeAck, takeTimeout } from '#server/boot/tftp/transfer.ts';

function terms(options: Record<string, string>, fileBytes: number) {
  return agreeOn(new Map(Object.entries(options)), fileBytes);
}

function begin(options: Record<string, string>, fileBytes: number): Transition {
  return beginTransfer(terms(options, fileBytes), fileBytes, 0);
}

test('options are taken within their bounds, and bad or unknown ones are left out', () => {
  const { acknowledged, ...rest } = terms(
    { blksize: '65464', windowsize: '1000', timeout: '3', tsize: '0', multicast: '', rollover: '0' },
    5000,
  );
  assert.deepEqual(rest, { blockBytes: 1468, windowBlocks: 64, timeoutS: 3 });
  assert.deepEqual(Object.fromEntries(acknowledged), {
    blksize: '1468',
    windowsize: '64',
    timeout: '3',
    tsize: '5000',
  });
  const bad = terms({ blksize: '7', windowsize: '0', timeout: '256', tsize: '-1' }, 5000);
  assert.deepEqual([bad.blockBytes, bad.windowBlocks, bad.acknowledged.size], [512, 1, 0]);
});

test('without options the first answer is block 1, with them the OACK', () => {
  assert.deepEqual(begin({}, 1000).step, { kind: 'send-blocks', first: 1, last: 1 });
  const asked = begin({ blksize: '100' }, 250);
  assert.deepEqual(asked.step, { kind: 'send-option-ack' });
  assert.deepEqual(takeAck(asked.state, 0, 1).step, { kind: 'send-blocks', first: 1, last: 1 });
});

test('a file that fills its last block ends with an empty one', () => {
  assert.deepEqual(
    [begin({}, 0), begin({}, 511), begin({}, 512)].map((one) => one.state.lastBlock),
    [1, 1, 2],
  );
});

test('an ACK that was seen before makes nothing be sent (the Sorcerer’s Apprentice)', () => {
  let { state } = begin({}, 5000);
  state = takeAck(state, 1, 1).state;
  assert.deepEqual(takeAck(state, 1, 2).step, { kind: 'nothing' });
  assert.deepEqual(takeAck(state, 0, 2).step, { kind: 'nothing' });
  assert.deepEqual(takeAck(state, 9, 2).step, { kind: 'nothing' });
});

test('an ACK from the middle of a window is answered with the window behind it', () => {
  let { state } = begin({ windowsize: '8' }, 512 * 40);
  state = takeAck(state, 0, 1).state;
  const { step } = takeAck(state, 5, 2);
  assert.deepEqual(step, { kind: 'send-blocks', first: 6, last: 13 });
});

test('a window without an answer is sent again, each time later, and the client given up in the end', () => {
  let { state } = begin({ windowsize: '4', timeout: '1' }, 512 * 40);
  state = takeAck(state, 0, 10).state;
  const waits: number[] = [];
  for (let nowMs = 10; ; ) {
    assert.deepEqual(takeTimeout(state, state.dueMs - 1).step, { kind: 'nothing' });
    waits.push(state.dueMs - nowMs);
    nowMs = state.dueMs;
    const { state: next, step } = takeTimeout(state, nowMs);
    state = next;
    if (step.kind === 'end') {
      assert.equal(step.outcome, 'client-silent');
      break;
    }
    assert.deepEqual(step, { kind: 'send-blocks', first: 1, last: 4 });
  }
  assert.deepEqual(waits, [200, 400, 800, 1600, 3200, 6400, 8000]);
});

test('the wait follows the measured time there and back, and stays long until a window goes through at once', () => {
  let { state } = begin({}, 512 * 40);
  state = takeAck(state, 1, 400).state;
  assert.equal(state.waitMs, 400 + 4 * 200);
  state = takeTimeout(state, state.dueMs).state;
  assert.equal(state.waitMs, 2400);
  state = takeAck(state, 2, state.dueMs).state;
  assert.equal(state.waitMs, 2400);
  state = takeAck(state, 3, state.sentMs + 10).state;
  assert.ok(state.waitMs < 2400);
});

test('every block is sent in order and the end is reached, over the rollover of block numbers and whatever gets lost', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 0, max: 8 * 70_000 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 99 })),
      (windowBlocks, fileBytes, chances) => {
        let { state, step } = begin({ blksize: '8', windowsize: String(windowBlocks) }, fileBytes);
        let [have, nowMs, idle] = [-1, 0, 0];
        const chance = () => chances.next().value as number;
        while (step.kind !== 'end') {
          nowMs++;
          if (step.kind === 'send-option-ack' && have < 0) have = 0;
          if (step.kind === 'send-blocks') {
            // The client takes blocks in order; the first that is lost makes the rest of the window useless.
            for (let block = step.first; block <= step.last; block++) {
              if (windowBlocks < 8 && nowMs % 7 === 0 && chance() < 3) break;
              if (block === have + 1) have = block;
            }
          }
          const lost = idle < 3 && nowMs % 5 === 0 && chance() < 3;
          idle = lost ? idle + 1 : 0;
          ({ state, step } = lost ? takeTimeout(state, state.dueMs) : takeAck(state, have & 0xffff, nowMs));
          if (step.kind === 'nothing') {
            nowMs = state.dueMs;
            ({ state, step } = takeTimeout(state, nowMs));
          }
        }
        assert.equal(step.outcome, 'complete');
        assert.equal(have, state.lastBlock);
      },
    ),
    { numRuns: 15 },
  );
});
