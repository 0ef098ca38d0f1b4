/** A file of the admin that is laid into the target, its {{placeholders}} filled in: unattend.xml, an answer file, a configuration. */
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { escapeXml, fillTemplate, type TemplateValues } from '#protocol/template.ts';
import type { FinisherContext } from './finisher.ts';
import { RootFolder } from './root-folder.ts';

/** `to` is a path below the target's root. Throws an Error when no system was found. May be repeated. */
export async function placeFile(to: string, template: Uint8Array, context: FinisherContext): Promise<void> {
  const { system, whyNoSystem, values, say } = context;
  if (system === undefined) throw new Error(`no system was found on the disk (${whyNoSystem.join('; ')})`);
  const name = system.kind === 'windows' ? await inKnownCase(system.root, to) : to;
  const content = fillFile(to, Buffer.from(template).toString('utf8'), values);
  await new RootFolder(system.root).write(name, content);
  say(`${name}: ${Buffer.byteLength(content)} bytes`);
}

/** In XML the values are written as XML wants them. Pure. */
function fillFile(to: string, template: string, values: TemplateValues): string {
  return fillTemplate(template, values, /\.xml$/i.test(to) ? escapeXml : undefined);
}

/** Windows would see two names that differ in case as one, and the driver here makes both. */
async function inKnownCase(root: string, path: string): Promise<string> {
  let at = root;
  for (const part of path.split('/')) {
    const names = await readdir(at).catch(() => []);
    at = join(at, names.find((name) => name.toLowerCase() === part.toLowerCase()) ?? part);
  }
  return relative(root, at);
}
