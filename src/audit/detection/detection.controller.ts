import { Body, Controller, Get, Headers, Param, Patch, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { type Alert, Alerts } from './alerts.service.js';
import {
  AuditAlertFilter,
  AuditAlertPage,
  AuditAlertView,
  DetectionRulesView,
  DetectionRuleView,
  PatchAuditAlert,
  PatchDetectionRule,
} from './detection.dto.js';
import { detectionRules } from './detection-rules.js';
import { DetectionRules, type RuleSetting } from './rules.service.js';

@Controller('audit')
export class DetectionController {
  constructor(
    private readonly alerts: Alerts,
    private readonly rules: DetectionRules,
  ) {}

  /** What the rules noticed in the trail, newest first. */
  @Get('alerts')
  @Requires('audit:read')
  async listAlerts(@Query() filter: AuditAlertFilter): Promise<AuditAlertPage> {
    const { items, next } = await this.alerts.list(filter);
    return { items: items.map(alertView), next };
  }

  /** Acknowledge it, then resolve or suppress it; note what you found. */
  @Patch('alerts/:id')
  @Requires('security-event:write')
  async patchAlert(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchAuditAlert,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuditAlertView> {
    const alert = await this.alerts.patch(id, body, expectedVersion(ifMatch));
    void reply.header('etag', etagOf(alert.version));
    return alertView(alert);
  }

  /** What is looked for, and how it is set. */
  @Get('rules')
  @Requires('audit:read')
  async listRules(): Promise<DetectionRulesView> {
    return { items: (await this.rules.all()).map(ruleView) };
  }

  /** Sets a rule otherwise, or switches it off. */
  @Patch('rules/:id')
  @Requires('setting:write')
  @RequiresRecentProof()
  async patchRule(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchDetectionRule,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DetectionRuleView> {
    const rule = await this.rules.patch(id, body, expectedVersion(ifMatch));
    void reply.header('etag', etagOf(rule.version));
    return ruleView(rule);
  }
}

function ruleView(rule: RuleSetting): DetectionRuleView {
  const { text, actions, subject } = detectionRules[rule.name];
  return { ...rule, text, actions: [...actions], subject };
}

function alertView(alert: Alert): AuditAlertView {
  return {
    ...alert,
    firstAt: alert.firstAt.toISOString(),
    lastAt: alert.lastAt.toISOString(),
    raisedAt: alert.raisedAt.toISOString(),
    quietUntil: alert.quietUntil.toISOString(),
    acknowledgedAt: alert.acknowledgedAt?.toISOString() ?? null,
    closedAt: alert.closedAt?.toISOString() ?? null,
  };
}
