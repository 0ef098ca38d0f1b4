/**
 * Of the admin API: groups.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /groups | → GroupView[] |
 * | POST   /groups | { name } → GroupView |
 * | POST   /groups/GROUP/rename · /add · /remove | { name } · { hosts } · { hosts } → GroupView |
 * | POST   /groups/GROUP/set | GroupSettings → GroupView |
 * | DELETE /groups/GROUP | → 204 |
 */
import { type Static, Type } from 'typebox';
import { chosenSchema } from './chosen.ts';
import { nameSchema } from './name.ts';

export const groupViewSchema = Type.Object({
  name: nameSchema,
  hosts: Type.Array(Type.String()),
  /** Disk rule of its hosts for when neither session nor host gives one. */
  disk: Type.Optional(Type.String()),
  ...chosenSchema.properties,
});
export type GroupView = Static<typeof groupViewSchema>;

/** What is absent stays as it is; null removes it. */
export const groupSettingsSchema = Type.Object({ disk: Type.Optional(Type.Union([Type.String(), Type.Null()])) });
export type GroupSettings = Static<typeof groupSettingsSchema>;
