import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../auth/access.js';
import { RequiresRecentProof } from '../auth/recent-proof.js';
import { etagOf, expectedVersion } from '../http/etag.js';
import { settingRules } from './setting.js';
import { knownRule, SettingChanges } from './setting-changes.js';
import {
  PutSetting,
  RevertSetting,
  SettingHistory,
  SettingHistoryFilter,
  SettingList,
  SettingVersionView,
  SettingView,
} from './settings.dto.js';
import { Settings } from './settings.js';

@Controller('settings')
export class SettingsController {
  constructor(
    private readonly settings: Settings,
    private readonly changes: SettingChanges,
  ) {}

  /** Every setting there is, with its value and its limits. */
  @Get()
  @Requires('setting:read')
  list(): SettingList {
    const items = settingRules().map((rule) => SettingView.of(rule, this.settings));
    return { items, total: items.length };
  }

  @Get(':key')
  @Requires('setting:read')
  get(@Param('key') key: string, @Res({ passthrough: true }) reply: FastifyReply): SettingView {
    return this.view(key, reply);
  }

  /** Change a setting: at once here, within two seconds on every instance. */
  @Put(':key')
  @Requires('setting:write')
  @RequiresRecentProof()
  async put(
    @Param('key') key: string,
    @Body() body: PutSetting,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SettingView> {
    await this.changes.put(key, body.value, expectedVersion(ifMatch));
    return this.view(key, reply);
  }

  /** Back to the default; a secret is cleared. */
  @Delete(':key')
  @HttpCode(204)
  @Requires('setting:write')
  @RequiresRecentProof()
  async reset(@Param('key') key: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.changes.reset(key, expectedVersion(ifMatch));
  }

  /** What a setting was, newest first. */
  @Get(':key/history')
  @Requires('setting:read')
  async history(@Param('key') key: string, @Query() page: SettingHistoryFilter): Promise<SettingHistory> {
    const { items, total } = await this.changes.history(key, page.limit, page.offset);
    return { items: items.map((entry) => SettingVersionView.of(entry, knownRule(key))), total };
  }

  /** Make a setting what it was at a version. That is a change of its own. */
  @Post(':key/revert')
  @HttpCode(200)
  @Requires('setting:write')
  @RequiresRecentProof()
  async revert(
    @Param('key') key: string,
    @Body() body: RevertSetting,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SettingView> {
    await this.changes.revert(key, body.version, expectedVersion(ifMatch));
    return this.view(key, reply);
  }

  private view(key: string, reply: FastifyReply): SettingView {
    const view = SettingView.of(knownRule(key), this.settings);
    void reply.header('etag', etagOf(view.version));
    return view;
  }
}
