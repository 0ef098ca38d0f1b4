/** SQL of casts: each pass of a session, as it is shown. */
import type { CastView } from '#protocol/admin/session-api.ts';
import type { Database } from './database.ts';

export class CastTable {
  #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Begins a pass: counts it and keeps its view. Call it in the transaction that moves its tasks. */
  insert(sessionId: number, view: CastView): void {
    this.#database.prepare('UPDATE session SET passes = ? WHERE session_id = ?').run(view.pass, sessionId);
    this.#database
      .prepare('INSERT INTO cast_run (cast_id, session_id, view) VALUES (?, ?, ?)')
      .run(view.castId, sessionId, JSON.stringify(view));
  }

  update(view: CastView): void {
    this.#database.prepare('UPDATE cast_run SET view = ? WHERE cast_id = ?').run(JSON.stringify(view), view.castId);
  }

  /** Marks every pass ended that has not: its daemon was killed. */
  endInterrupted(nowMs: number): void {
    this.#database
      .prepare(
        `UPDATE cast_run SET view = json_set(view, '$.endedAtMs', ?, '$.outcome', 'interrupted')
         WHERE view ->> '$.endedAtMs' IS NULL`,
      )
      .run(nowMs);
  }

  /** In the order of their passes. */
  ofSession(sessionId: number): CastView[] {
    return this.#database
      .prepare<[number], string>('SELECT view FROM cast_run WHERE session_id = ?')
      .pluck()
      .all(sessionId)
      .map((view) => JSON.parse(view) as CastView)
      .sort((a, b) => a.pass - b.pass);
  }

  /** Passes of the newest sessions that had no cap of their own, in order: how this network has been seen to be. */
  latest(limit: number): CastView[] {
    return this.#database
      .prepare<[number], string>(
        `SELECT cast_run.view FROM cast_run JOIN session USING (session_id)
         WHERE session.request ->> '$.maxMbit' IS NULL
         ORDER BY session_id DESC, cast_run.view ->> '$.pass' DESC LIMIT ?`,
      )
      .pluck()
      .all(limit)
      .map((view) => JSON.parse(view) as CastView)
      .reverse();
  }
}
