/** What a host does when its task has ended. */
import { Type } from 'typebox';

/** When it has succeeded. */
export const onDoneSchema = Type.Union([Type.Literal('reboot'), Type.Literal('poweroff'), Type.Literal('stay')]);

/** When it has failed; absent: stay, so that somebody can look at it. */
export const onFailureSchema = Type.Union([Type.Literal('stay'), Type.Literal('reboot'), Type.Literal('poweroff')]);
