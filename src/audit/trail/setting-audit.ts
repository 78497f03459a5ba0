import { Injectable } from '@nestjs/common';
import { SettingEvents, type SettingState } from '../../platform/settings/setting-events.js';
import { AuditTrail } from './audit-trail.js';

/** What the trail keeps of settings: every change, of secrets without what they are. */
@Injectable()
export class SettingAudit extends SettingEvents {
  constructor(private readonly trail: AuditTrail) {
    super();
  }

  async changed(before: SettingState, after: SettingState): Promise<void> {
    await this.trail.record({ action: 'setting.changed', category: 'governance', resource: resourceOf(after), before, after });
  }

  async reset(before: SettingState, after: SettingState): Promise<void> {
    await this.trail.record({ action: 'setting.reset', category: 'governance', resource: resourceOf(after), before, after });
  }

  async reverted(before: SettingState, after: SettingState, toVersion: number): Promise<void> {
    await this.trail.record({
      action: 'setting.reverted',
      category: 'governance',
      resource: resourceOf(after),
      before,
      after,
      detail: { toVersion },
    });
  }
}

function resourceOf({ id, key }: SettingState): { type: string; id: string; name: string } {
  return { type: 'setting', id, name: key };
}
