import { defineSetting } from '../../platform/settings/setting.js';

/** Whether people may register themselves. `approval`: they may, and somebody has to approve them. */
export const registrationMode = defineSetting<'closed' | 'approval'>({
  key: 'users.registration',
  type: 'string',
  default: 'closed',
  enum: ['closed', 'approval'],
  text: 'Whether people may register themselves: `closed`, or with the `approval` of somebody who may make accounts.',
});
