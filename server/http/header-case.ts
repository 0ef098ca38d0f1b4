/**
 * Header names as GRUB reads them. HTTP does not care (RFC 9110 §5.1) and Fastify writes small letters, but GRUB finds the
 * length only in `Content-Length`, and else waits for the end of the connection (seen on Debian's signed GRUB 2.12).
 */
import type { ServerResponse } from 'node:http';

/** From now on the response's header names have capitals. */
export function capitalizeHeaders(response: ServerResponse): void {
  const setHeader = response.setHeader.bind(response);
  const writeHead = response.writeHead.bind(response) as (status: number, headers: Headers) => ServerResponse;
  response.setHeader = (name, value) => setHeader(capitalize(name), value);
  response.writeHead = ((status: number, headers: Headers = {}) =>
    writeHead(
      status,
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [capitalize(name), value])),
    )) as ServerResponse['writeHead'];
}

type Headers = Readonly<Record<string, string | number | string[] | undefined>>;

function capitalize(name: string): string {
  return name.replace(/(?:^|-)[a-z]/g, (letters) => letters.toUpperCase());
}
