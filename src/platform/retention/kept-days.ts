import { defineSetting, type Setting } from '../settings/setting.js';

const LONGEST_DAYS = 3650;

/** A setting `retention.<name>`: for how many days something is kept, at least `least`. */
export function keptDays(name: string, [least, standard]: readonly [number, number], text: string): Setting<number> {
  return defineSetting({ key: `retention.${name}`, type: 'integer', min: least, default: standard, max: LONGEST_DAYS, unit: 'days', text });
}

/** When the nightly run begins. */
export const retentionHour = defineSetting({
  key: 'retention.hour',
  type: 'integer',
  min: 0,
  default: 2,
  max: 23,
  unit: 'hour, UTC',
  text: 'The hour of the day in which retention runs.',
});
