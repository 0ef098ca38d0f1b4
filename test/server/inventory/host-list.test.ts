import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHostList } from '#server/inventory/host-list.ts';

test('a list with header, comments, quotes, CRLF and a byte order mark is read', () => {
  const csv =
    '\uFEFFName,MAC,Group\r\n# first row\r\n\r\npc-01,52-54-00-77-00-01,room-101\r\n"pc-02"; "5254.0077.0002"\r\npc-03,525400770003,\r\n';
  assert.deepEqual(parseHostList(csv), [
    { line: 4, name: 'pc-01', mac: '52:54:00:77:00:01', group: 'room-101' },
    { line: 5, name: 'pc-02', mac: '52:54:00:77:00:02' },
    { line: 6, name: 'pc-03', mac: '52:54:00:77:00:03' },
  ]);
});

test('a host may be called name', () => {
  assert.deepEqual(parseHostList('name,525400770001'), [{ line: 1, name: 'name', mac: '52:54:00:77:00:01' }]);
});

test('a wrong line is named by its number', () => {
  const problem = (csv: string) => {
    try {
      parseHostList(csv);
    } catch (error) {
      return (error as Error).message;
    }
    return 'none';
  };
  const good = 'pc-01,52:54:00:77:00:01\n';
  assert.equal(problem(`${good}pc-02`), 'Line 2 of the list: it has 1 fields, not 2 or 3');
  assert.equal(problem(`${good}pc-02,a,b,c`), 'Line 2 of the list: it has 4 fields, not 2 or 3');
  assert.equal(problem(`${good}pc 02,52:54:00:77:00:02`), 'Line 2 of the list: "pc 02" is not a valid host name');
  assert.equal(problem(`${good}\npc-02,52:54`), 'Line 3 of the list: "52:54" is not a MAC address');
  assert.equal(
    problem(`${good}pc-02,52:54:00:77:00:02,room 1`),
    'Line 2 of the list: "room 1" is not a valid group name',
  );
  assert.equal(problem(`${good}pc-01,52:54:00:77:00:02`), 'Line 2 of the list: the name pc-01 is already on line 1');
  assert.equal(
    problem(`${good}pc-02,52-54-00-77-00-01`),
    'Line 2 of the list: the MAC 52:54:00:77:00:01 is already on line 1',
  );
});
