/** Things that are a user's and outlive nobody's deletion: each row counts what refers to the user `$1`, as `n`. */
export const ownership: readonly { what: string; count: string }[] = [
  { what: 'serviceAccounts', count: 'SELECT count(*)::int AS n FROM users WHERE owner_id = $1' },
  { what: 'keys', count: 'SELECT count(*)::int AS n FROM api_keys WHERE owner_id = $1' },
  { what: 'projects', count: 'SELECT count(*)::int AS n FROM project_members WHERE user_id = $1' },
];
