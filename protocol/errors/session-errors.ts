/** Errors about plans, sessions and tasks. */
import type { ErrorTexts } from './error-text.ts';

export const sessionErrors = {
  ONEWAY_NEEDS_RATE: {
    status: 400,
    message: 'A one-way cast needs a rate: no host says when it is too fast',
    next: 'Add --rate with less than the slowest link carries, such as --rate 300, or set cast.max_mbit',
  },
  PLAN_EMPTY: { status: 400, message: 'No host is named', next: 'Give --hosts A,B or --group G' },
  PLAN_CHANGED: {
    status: 409,
    message: 'The plan changed since it was shown: {what}',
    next: 'Run the command again and look at the new plan',
  },
  PLAN_REFUSED: {
    status: 409,
    message: '{what} cannot take part',
    next: 'Mend what the plan says, or leave them out: --skip-refused',
  },
  SESSION_UNKNOWN: { status: 404, message: 'There is no session {session}', next: 'fleetcast session list' },
  SESSION_ENDED: {
    status: 409,
    message: 'Session {session} is already {state}',
    next: 'fleetcast session show {session}',
  },
  SESSION_NOT_GATHERING: {
    status: 409,
    message: 'Session {session} is {state}, not gathering',
    next: 'fleetcast session show {session}',
  },
  SESSION_NOT_DEPLOY: {
    status: 409,
    message: 'Session {session} is a {kind}: its hosts and its start are fixed',
    next: 'fleetcast session show {session}',
  },
  SESSION_HAS_HOSTS: {
    status: 409,
    message: 'All these hosts are in session {session} already',
    next: 'fleetcast session show {session}',
  },
  HOST_NOT_IN_SESSION: {
    status: 409,
    message: '{host} has no running task in session {session}',
    next: 'fleetcast session show {session}',
  },
  WAVES_INVALID: {
    status: 400,
    message: '{waves} are no canary waves: {problem}',
    next: 'Write them as 1,5,rest (the last size holds for all after it), with --verify full',
  },
  WAVES_STOPPED: {
    status: 409,
    message: '{host} was not touched: {reason}',
    next: 'See why hosts failed: fleetcast session show {session}   then deploy to the others again',
  },
  HOST_REMOVED: {
    status: 409,
    message: '{host} was taken out of session {session}; on its disk: {content}',
    next: 'Put it back while the session runs: fleetcast session add {session} --hosts {host}',
  },
  START_INVALID: {
    status: 400,
    message: '{start} is not a start policy',
    next: 'Use all, now, a number of hosts, or deadline=10m[,N]',
  },
  TASK_STALE: {
    status: 409,
    message: 'Task {task} is {state}: this call belongs to an earlier order',
    next: 'Nothing to do: the agent asks for its present order by itself',
  },
  HOST_DID_NOT_COME: {
    status: 504,
    message: '{host} did not boot the agent within {seconds} s',
    next: 'Check power, cable and boot order (network first); then deploy to it again',
  },
  WAKE_FAILED: {
    status: 500,
    message: 'No magic packet for {host} could be sent: {reason}',
    next: 'Check the deployment interface of the server, or switch {host} on by hand',
  },
  HOST_LOST: {
    status: 504,
    message: '{host} has not been heard of for {seconds} s',
    next: 'Look at its screen; then deploy to it again',
  },
  CAST_FAILED: {
    status: 500,
    message: 'The cast could not run: {reason}',
    next: 'The session tries again over HTTP; see fleetcast session show {session}',
  },
  REPAIR_FAILED: {
    status: 500,
    message: '{host}: {count} chunks could not be fetched: {reason}',
    next: 'Check the network of this host, then deploy to it again',
  },
  AGENT_FAILED: {
    status: 500,
    message: '{host}: {reason}',
    next: 'See the screen of the host or fleetcast events --host {host}',
  },
  AGENT_OUTDATED: {
    status: 409,
    message: 'The agent speaks protocol {found}, the server {known}',
    next: 'Boot the host again from this server',
  },
} as const satisfies ErrorTexts;
