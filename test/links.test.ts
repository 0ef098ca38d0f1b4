import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
const pages = ['*.md', 'docs/**/*.md', 'bench/**/*.md', 'lab/**/*.md', 'pxe-assets/**/*.md', 'test/**/*.md'];

test('every link of a page leads to a file that there is, and to a heading of it', () => {
  const broken = globSync(pages, { cwd: ROOT }).flatMap((page) => {
    return linksOf(page).flatMap(({ path, heading }) => {
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, file))) return `${page}: no file ${path}`;
      return heading === undefined || headingsOf(file).has(heading) ? [] : `${page}: no heading #${heading} in ${file}`;
    });
  });
  assert.deepEqual(broken, []);
});

test('every page of docs is linked from another page', () => {
  const linked = globSync(pages, { cwd: ROOT }).flatMap((page) => {
    return linksOf(page).map(({ path }) => (path === '' ? '' : join(dirname(page), path)));
  });
  const isLinked = (page: string) => linked.some((link) => link === page || link === dirname(page));
  assert.deepEqual(
    globSync('docs/**/*.md', { cwd: ROOT }).filter((page) => !isLinked(page)),
    [],
  );
});

/** Links inside the repository. */
function linksOf(page: string): { path: string; heading: string | undefined }[] {
  const text = readFileSync(join(ROOT, page), 'utf8').replace(/```.*?```/gs, '');
  return [...text.matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g)]
    .map(([, path, heading]) => ({ path: path!, heading }))
    .filter(({ path }) => !path.includes('://'));
}

/** As GitHub names them. */
function headingsOf(file: string): Set<string> {
  const headings = readFileSync(join(ROOT, file), 'utf8').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading]) => {
      return heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
    }),
  );
}
