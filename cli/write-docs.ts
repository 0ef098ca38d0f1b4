/** Writes the pages that are made from code: `bin/node cli/write-docs.ts`. Tests say when it is due. */

import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '#system/files.ts';
import { renderCliDoc } from './cli-doc.ts';
import { renderErrorsDoc } from './errors-doc.ts';
import { makeCli } from './invocation.ts';
import { buildProgram } from './program.ts';
import { Terminal } from './terminal.ts';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
await writeFileAtomic(`${docs}errors.md`, renderErrorsDoc(), 0o644);
await writeFileAtomic(`${docs}cli.md`, renderCliDoc(buildProgram(makeCli(new Terminal(process, {})))), 0o644);
