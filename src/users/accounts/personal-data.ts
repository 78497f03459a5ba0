/** What is kept of the user `$1` outside of their row and goes when they are forgotten, in this order. */
export const personalData: readonly string[] = [
  // With the addresses and browsers they came from, and their refresh tokens.
  'DELETE FROM auth_sessions WHERE user_id = $1',
  'DELETE FROM user_roles WHERE user_id = $1',
  'DELETE FROM group_members WHERE user_id = $1',
  'DELETE FROM user_identities WHERE user_id = $1',
  'DELETE FROM one_time_tokens WHERE user_id = $1',
  'DELETE FROM totp_secrets WHERE user_id = $1',
  'DELETE FROM recovery_codes WHERE user_id = $1',
  'DELETE FROM passkeys WHERE user_id = $1',
  'DELETE FROM work_sessions WHERE user_id = $1',
  'DELETE FROM invitations WHERE inviter_id = $1',
];
