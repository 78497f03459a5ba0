import { Controller, Get, Query, Req, type StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiProduces } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { Limit } from '../../platform/limits/limit.js';
import { AuditExportFilter } from './export.dto.js';
import { forms } from './export-formats.js';
import { AuditExport } from './export.service.js';
import { ChangeTrailFilter, DataSubjectFilter, ReportFilter } from './report.dto.js';
import { access, changeTrail, dataSubject, pci, type Report } from './report-kinds.js';
import { AuditReports, REPORT_TYPE } from './reports.service.js';
import { nothingOf } from './sealed-stream.js';

const text = { schema: { type: 'string' } };

/** What leaves the house as a stream; each has its digest in the last line. */
@Controller('audit')
export class ReportsController {
  constructor(
    private readonly exports: AuditExport,
    private readonly reports: AuditReports,
  ) {}

  /** What the search finds, oldest first and all of it. The export is an event of its own. */
  @Get('export')
  @ApiProduces('application/x-ndjson', 'application/json', 'text/csv')
  @ApiOkResponse(text)
  @Requires('audit:read')
  @Limit({ cost: 10 })
  async export(@Query() filter: AuditExportFilter, @Req() { method }: FastifyRequest): Promise<StreamableFile> {
    return method === 'HEAD' ? nothingOf(forms[filter.format].type) : this.exports.export(filter);
  }

  /** Everything by and about one user: GDPR Article 15. */
  @Get('reports/data-subject')
  @ApiProduces('application/x-ndjson')
  @ApiOkResponse(text)
  @Requires('audit:read')
  @Limit({ cost: 10 })
  async dataSubject(@Query() filter: DataSubjectFilter, @Req() request: FastifyRequest): Promise<StreamableFile> {
    return this.report(dataSubject(filter), request);
  }

  /** Changes with what was before and after, who made and who approved them: SOX 404. */
  @Get('reports/change-trail')
  @ApiProduces('application/x-ndjson')
  @ApiOkResponse(text)
  @Requires('audit:read')
  @Limit({ cost: 10 })
  async changeTrail(@Query() filter: ChangeTrailFilter, @Req() request: FastifyRequest): Promise<StreamableFile> {
    return this.report(changeTrail(filter), request);
  }

  /** Reads of what is classified: HIPAA 45 CFR 164.312(b). */
  @Get('reports/access')
  @ApiProduces('application/x-ndjson')
  @ApiOkResponse(text)
  @Requires('audit:read')
  @Limit({ cost: 10 })
  async access(@Query() filter: ReportFilter, @Req() request: FastifyRequest): Promise<StreamableFile> {
    return this.report(access(filter), request);
  }

  /** What PCI DSS 4.0 asks for in 10.2.1, by requirement. */
  @Get('reports/pci')
  @ApiProduces('application/x-ndjson')
  @ApiOkResponse(text)
  @Requires('audit:read')
  @Limit({ cost: 10 })
  async pci(@Query() filter: ReportFilter, @Req() request: FastifyRequest): Promise<StreamableFile> {
    return this.report(pci(filter), request);
  }

  private async report(report: Report, { method }: FastifyRequest): Promise<StreamableFile> {
    return method === 'HEAD' ? nothingOf(REPORT_TYPE) : this.reports.make(report);
  }
}
