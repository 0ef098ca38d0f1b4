/** How hosts, groups, images and schedules may be called. */
import { Type } from 'typebox';

/** A name of a host, group or image. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
/** Of what there is. A request takes any text, so that a name that cannot be is refused as one: NAME_INVALID. */
export const nameSchema = Type.String({ pattern: NAME_PATTERN });
