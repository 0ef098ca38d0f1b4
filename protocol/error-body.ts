/** The schema of an error on the wire, in answers and reports. */
import { type Static, Type } from 'typebox';
import { type ErrorBody, type ErrorCode, errorTable } from './errors.ts';

export const errorBodySchema = Type.Object({
  code: Type.Unsafe<ErrorCode>(Type.String({ enum: Object.keys(errorTable) })),
  message: Type.String(),
  next: Type.String(),
});
const _sameShape: ErrorBody | undefined = undefined as Static<typeof errorBodySchema> | undefined;
void _sameShape;
