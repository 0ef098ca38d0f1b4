/** /doctor of the admin API. */
import { PassThrough } from 'node:stream';
import { type DoctorLine, doctorLineSchema, doctorRequestSchema } from '#protocol/admin/doctor-api.ts';
import type { Doctor } from '../doctor/doctor.ts';
import type { App } from './app.ts';

export function addDoctorRoutes(app: App, { doctor }: { doctor: Pick<Doctor, 'begin'> }): void {
  app.post(
    '/doctor',
    {
      schema: {
        summary: 'Looks at the server, the network and hosts that wait in the agent; lines of JSON',
        body: doctorRequestSchema,
        response: { 200: doctorLineSchema },
      },
    },
    async ({ body, log }, reply) => {
      const stop = new AbortController();
      const stream = new PassThrough();
      const tell = (line: DoctorLine) => {
        if (!stream.destroyed) stream.write(`${JSON.stringify(line)}\n`);
      };
      const ended = doctor.begin(body, stop.signal, tell);
      stream.once('close', () => stop.abort());
      ended.then(
        () => stream.end(),
        (error: unknown) => {
          if (!stop.signal.aborted) log.error({ err: error }, 'the doctor failed');
          stream.destroy();
        },
      );
      return reply.type('application/x-ndjson').send(stream as never);
    },
  );
}
