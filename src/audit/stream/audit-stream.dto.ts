import { OmitType } from '@nestjs/swagger';
import { AuditFilter } from '../log/audit-filter.dto.js';

/** The filters of the search. */
export class AuditStreamFilter extends OmitType(AuditFilter, ['limit', 'after'] as const) {}
