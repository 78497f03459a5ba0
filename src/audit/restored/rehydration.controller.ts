import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { PeriodList } from './period-list.js';
import { RehydrationEnd } from './rehydration-end.js';
import { PeriodView, PeriodViewList, Rehydrate, RehydrationView } from './rehydration.dto.js';
import { Rehydrations } from './rehydrations.service.js';

@Controller('audit/archive/periods')
export class RehydrationController {
  constructor(
    private readonly periods: PeriodList,
    private readonly rehydrations: Rehydrations,
    private readonly ends: RehydrationEnd,
  ) {}

  /** Every closed month, and where its events are. */
  @Get()
  @Requires('audit:read')
  async list(): Promise<PeriodViewList> {
    return { items: (await this.periods.all()).map((standing) => PeriodView.of(standing)) };
  }

  /** Have an archived month read back for some days, so that it is searched in the database and its events can be proven. */
  @Post(':log/:period/rehydrate')
  @HttpCode(202)
  @Requires('audit:archive')
  async rehydrate(@Param('log') log: string, @Param('period') period: string, @Body() { days }: Rehydrate): Promise<RehydrationView> {
    return RehydrationView.of(await this.rehydrations.request(log, period, days));
  }

  /** Take the copy away again, also one that is being read back just now. The archive stays. */
  @Delete(':log/:period/rehydrate')
  @HttpCode(204)
  @Requires('audit:archive')
  async end(@Param('log') log: string, @Param('period') period: string): Promise<void> {
    await this.ends.end(log, `${period}-01`);
  }
}
