import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import { Requires } from '../auth/access.js';
import { flagName, settingRules } from './setting.js';
import { Settings } from './settings.js';

@Controller('feature-flags')
export class FeatureFlagsController {
  constructor(private readonly settings: Settings) {}

  /** Which features are on, by name. */
  @Get()
  @Requires('profile:read')
  @ApiOkResponse({ schema: { type: 'object', additionalProperties: { type: 'boolean' } } })
  list(): Record<string, boolean> {
    return Object.fromEntries(
      settingRules().flatMap((rule) => {
        const name = flagName(rule.key);
        if (name === undefined || rule.type !== 'boolean') return [];
        return [[name, (this.settings.effective(rule.key) ?? rule.default) === true]];
      }),
    );
  }
}
