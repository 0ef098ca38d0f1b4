import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readElfNeeds } from '#pxe-assets/elf.ts';

test("a program's libraries and its interpreter are read from its headers", () => {
  // Node's own binary is on every machine that runs this test.
  const needs = readElfNeeds(readFileSync(process.execPath));
  assert.ok(needs?.libraries.includes('libc.so.6'), String(needs?.libraries));
  assert.match(needs?.interpreter ?? '', /^\/lib(64)?\/ld-linux/);
});

test('what is no ELF file has no needs', () => {
  assert.equal(readElfNeeds(Buffer.from('#!/bin/sh\n')), undefined);
  assert.equal(readElfNeeds(Buffer.alloc(0)), undefined);
});
