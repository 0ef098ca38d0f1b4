/** docs/errors.md from the error table. Write it again: bin/node cli/write-docs.ts */
import { type ErrorCode, errorTable } from '#protocol/errors.ts';
import { exitCodeOfCode } from '#protocol/exit-code.ts';

export function renderErrorsDoc(): string {
  const rows = (Object.keys(errorTable) as ErrorCode[]).map((code) => {
    const { status, message, next } = errorTable[code];
    return `| ${code} | ${status} | ${exitCodeOfCode(code)} | ${cell(message)} | ${cell(next)} |`;
  });
  return `# Errors

Every error that fleetcast foresees: the same code and text in the CLI, the API and the audit log.
Words in braces are filled in. Anything else is a bug and shows as INTERNAL with the id under which the log has it.
An API answer is \`{"error": {"code", "message", "next"}}\`; the exit code is that of the CLI ([cli.md](cli.md)).

This page is made from the tables in \`protocol/errors/\`: \`bin/node cli/write-docs.ts\`.

| code | HTTP | exit | message | next |
|---|--:|--:|---|---|
${rows.join('\n')}
`;
}

/** Text for a cell of a Markdown table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
