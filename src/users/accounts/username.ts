/** The same as the constraint users_username_form. */
export const USERNAME_FORM = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export const USERNAME_RULE = 'A username is 1 to 64 letters, digits, dots, underscores or dashes, and begins with a letter or digit.';
