import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { type AuditSeverity } from '../trail/audit-event.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type PatchDetectionRule } from './detection.dto.js';
import { type DetectionRuleName, detectionRuleNames } from './detection-rules.js';

/** What of a rule can be set. */
export interface RuleSetting {
  id: string;
  name: DetectionRuleName;
  enabled: boolean;
  threshold: number;
  windowSeconds: number;
  cooldownSeconds: number;
  severity: AuditSeverity;
  version: number;
}

const RULE = `
  SELECT r.id, r.name, r.enabled, r.threshold, r.window_seconds AS "windowSeconds", r.cooldown_seconds AS "cooldownSeconds", r.severity, r.version
    FROM audit_rules r`;

explainConstraint('audit_rules_cooldown_covers_window', () =>
  AppError.field('/cooldownSeconds', 'cooldown_too_short', 'The cooldown must be at least as long as the window.'),
);

/** The rules as they are set here; what they look for is detectionRules. */
@Injectable()
export class DetectionRules {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
  ) {}

  /** In the order of the code. A rule that the code no longer has is left out. */
  async all(): Promise<RuleSetting[]> {
    const rows = await this.work.query<RuleSetting & object>(RULE);
    return detectionRuleNames.flatMap((name) => rows.find((row) => row.name === name) ?? []);
  }

  /** Throws `detection_rule_not_found`, `stale_version` or `cooldown_too_short`. */
  patch(id: string, patch: PatchDetectionRule, expected: number | undefined): Promise<RuleSetting> {
    return this.work.run(async () => {
      const [before] = await this.work.queryInside<RuleSetting & object>(`${RULE} WHERE r.id = $1 FOR NO KEY UPDATE`, [id]);
      if (!before) throw AppError.notFound('detection_rule', id);
      if (expected !== undefined && expected !== before.version) throw staleVersion(before.version);
      const { enabled, threshold, windowSeconds, cooldownSeconds, severity } = patch;
      const wanted = {
        enabled: enabled ?? before.enabled,
        threshold: threshold ?? before.threshold,
        windowSeconds: windowSeconds ?? before.windowSeconds,
        cooldownSeconds: cooldownSeconds ?? before.cooldownSeconds,
        severity: severity ?? before.severity,
      };
      const isSame = Object.entries(wanted).every(([name, value]) => before[name as keyof typeof wanted] === value);
      if (isSame) return before;
      await this.work.query(
        `UPDATE audit_rules
            SET enabled = $2, threshold = $3, window_seconds = $4, cooldown_seconds = $5, severity = $6, version = version + 1
          WHERE id = $1`,
        [id, wanted.enabled, wanted.threshold, wanted.windowSeconds, wanted.cooldownSeconds, wanted.severity],
      );
      const after = { ...before, ...wanted, version: before.version + 1 };
      await this.audit.record({
        action: 'detection_rule.updated',
        category: 'governance',
        resource: { type: 'detection_rule', id, name: before.name },
        before,
        after,
      });
      return after;
    });
  }
}
