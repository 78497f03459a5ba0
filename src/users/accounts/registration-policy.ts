import { defineSetting } from '../../platform/settings/setting.js';

/** Where the console asks invited people for a name and a password: this program has no pages. */
export const invitationPage = defineSetting({
  key: 'users.invitationPage',
  type: 'string',
  default: '',
  maxLength: 500,
  pattern: /^(https?:\/\/[^\s#]+)?$/,
  text: 'Address of the page of your console that takes invitations, such as https://console.example.net/invitations; invitations have a link to it when it is set.',
});

/** Whether people may register themselves. `approval`: they may, and somebody has to approve them. */
export const registrationMode = defineSetting<'closed' | 'approval'>({
  key: 'users.registration',
  type: 'string',
  default: 'closed',
  enum: ['closed', 'approval'],
  text: 'Whether people may register themselves: `closed`, or with the `approval` of somebody who may make accounts.',
});
