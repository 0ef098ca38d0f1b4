/** What each call to the daemon answers, and the check of it. Loaded when the first answer is on its way: schemas take time to build. */
import { type Static, type TSchema, Type } from 'typebox';
import { Check, Errors } from 'typebox/schema';
import { externalSnippetSchema, leaseViewSchema } from '#protocol/admin/dhcp-api.ts';
import { doctorLineSchema } from '#protocol/admin/doctor-api.ts';
import { eventViewSchema } from '#protocol/admin/event-api.ts';
import { finisherDefaultSchema, finisherViewSchema } from '#protocol/admin/finisher-api.ts';
import { groupViewSchema } from '#protocol/admin/group-api.ts';
import { hostViewSchema, importAnswerSchema, wakeAnswerSchema } from '#protocol/admin/host-api.ts';
import { fitLineSchema, imageViewSchema, pruneAnswerSchema, verifyLineSchema } from '#protocol/admin/image-api.ts';
import { deployPlanSchema } from '#protocol/admin/plan-api.ts';
import { receiptSchema, sessionReportSchema } from '#protocol/admin/receipt-api.ts';
import { schedulePreviewSchema, scheduleRunSchema, scheduleViewSchema } from '#protocol/admin/schedule-api.ts';
import { luksChoiceSchema, secretViewSchema } from '#protocol/admin/secret-api.ts';
import { sessionViewSchema } from '#protocol/admin/session-api.ts';
import { statusSchema } from '#protocol/admin/status-api.ts';
import { wipePlanSchema } from '#protocol/admin/wipe-api.ts';

export const answerSchemas = {
  status: statusSchema,
  host: hostViewSchema,
  hosts: Type.Array(hostViewSchema),
  wake: wakeAnswerSchema,
  import: importAnswerSchema,
  group: groupViewSchema,
  groups: Type.Array(groupViewSchema),
  image: imageViewSchema,
  images: Type.Array(imageViewSchema),
  verifyLine: verifyLineSchema,
  fitLine: fitLineSchema,
  finisher: finisherViewSchema,
  finishers: Type.Array(finisherViewSchema),
  finisherDefault: finisherDefaultSchema,
  secret: secretViewSchema,
  luksChoice: luksChoiceSchema,
  secrets: Type.Array(secretViewSchema),
  prune: pruneAnswerSchema,
  plan: deployPlanSchema,
  wipePlan: wipePlanSchema,
  session: sessionViewSchema,
  sessions: Type.Array(sessionViewSchema),
  report: sessionReportSchema,
  receipts: Type.Array(receiptSchema),
  schedulePreview: schedulePreviewSchema,
  schedule: scheduleViewSchema,
  schedules: Type.Array(scheduleViewSchema),
  scheduleRun: scheduleRunSchema,
  scheduleRuns: Type.Array(scheduleRunSchema),
  leases: Type.Array(leaseViewSchema),
  snippet: externalSnippetSchema,
  doctorLine: doctorLineSchema,
  event: eventViewSchema,
  events: Type.Array(eventViewSchema),
  document: Type.Record(Type.String(), Type.Unknown()),
  nothing: Type.Undefined(),
} satisfies Record<string, TSchema>;

export type AnswerKind = keyof typeof answerSchemas;
export type Answers = { [Kind in AnswerKind]: Static<(typeof answerSchemas)[Kind]> };

/** The first thing that is wrong with an answer; undefined when it is as the API says. */
export function problemOf(kind: AnswerKind, value: unknown): string | undefined {
  const schema = answerSchemas[kind];
  if (kind === 'nothing' || Check(schema, value)) return undefined;
  const [, errors] = Errors(schema, value);
  const first = errors[0];
  return first ? `${first.instancePath || 'it'} ${first.message}` : 'it has another shape';
}
