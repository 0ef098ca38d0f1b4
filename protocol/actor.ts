/** How a caller of the admin API says on whose behalf it calls. */

export const ACTOR_HEADER = 'x-fleetcast-user';
/** Printable ASCII, as an HTTP header carries it. */
export const ACTOR_PATTERN = '^[!-~]([ -~]{0,62}[!-~])?$';
