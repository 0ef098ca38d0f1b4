/** Times of the admin API. */
import { Type } from 'typebox';

/** Milliseconds since 1970. */
export const timeMs = Type.Integer();
