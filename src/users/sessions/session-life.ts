import { ADMINISTRATION } from '../roles/system-roles.js';

/** Whether the user of the session `s` administers, by whatever role. */
export const ADMINISTERS = `
  EXISTS (SELECT FROM user_roles ur JOIN role_permissions rp ON rp.role_id = ur.role_id
           WHERE ur.user_id = s.user_id AND rp.permission = '${ADMINISTRATION}' AND ur.vrf_ids IS NULL AND ur.networks IS NULL
             AND (ur.expires_at IS NULL OR ur.expires_at > now()))`;

/** Whether a role of a user asks for a second factor. */
export function asksSecondFactor(userId: string): string {
  return `
  EXISTS (SELECT FROM user_roles ur JOIN roles r ON r.id = ur.role_id
           WHERE ur.user_id = ${userId} AND r.second_factor_required AND (ur.expires_at IS NULL OR ur.expires_at > now()))`;
}

/** Methods that show more than a password was known (RFC 8176); a provider that checked a second factor itself says `mfa`. */
export const SECOND_FACTORS: readonly string[] = ['otp', 'swk', 'hwk', 'mfa'];
export const SECOND_FACTORS_SQL = `ARRAY['${SECOND_FACTORS.join("', '")}']`;

/** Whether the session `s` has lain idle too long. The parameters are the seconds for everybody and for administrators. */
export function isIdle(seconds: string, administratorSeconds: string): string {
  return `s.last_seen_at <= now() - make_interval(secs => CASE WHEN ${ADMINISTERS} THEN ${administratorSeconds}::int ELSE ${seconds}::int END)`;
}

/** Whether the session `s` is good: neither ended, nor over, nor idle. The sweeper writes down afterwards what this decides at once. */
export function isLive(seconds: string, administratorSeconds: string): string {
  return `s.ended_at IS NULL AND s.expires_at > now() AND NOT (${isIdle(seconds, administratorSeconds)})`;
}

/** Notes that a session ($1) is in use, at most once a minute. */
export const NOTE_USE = `
  UPDATE auth_sessions SET last_seen_at = now()
   WHERE id = $1 AND ended_at IS NULL AND last_seen_at < now() - interval '1 minute'`;
