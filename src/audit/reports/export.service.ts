import { Injectable, type StreamableFile } from '@nestjs/common';
import { AuditTrail } from '../trail/audit-trail.js';
import { type AuditEventView } from '../log/audit-event.dto.js';
import { askedBy } from '../log/audit-reading.js';
import { EventPages } from './event-pages.js';
import { type AuditExportFilter } from './export.dto.js';
import { type Form, forms } from './export-formats.js';
import { type Sent, sealedStream } from './sealed-stream.js';

/** The trail out of the house: as a stream, with a digest, and in the trail itself. */
@Injectable()
export class AuditExport {
  constructor(
    private readonly pages: EventPages,
    private readonly trail: AuditTrail,
  ) {}

  async export(filter: AuditExportFilter): Promise<StreamableFile> {
    const { format } = filter;
    const form = forms[format];
    const { pages, archivedMonths } = await this.pages.of(filter, filter.archived);
    const attempt = await this.started(filter);
    return sealedStream({
      type: form.type,
      filename: `audit.${form.ending}`,
      pieces: pieces(form, pages),
      last: (sent) => form.last({ ...sent, archivedMonths }),
      record: (sent) => this.record(attempt, filter, sent),
    });
  }

  /** In the trail before the first byte is sent. */
  private async started({ format, ...filters }: AuditExportFilter): Promise<string> {
    return this.trail.attempt({
      action: 'audit.export_started',
      category: 'access',
      severity: 'medium',
      resource: { type: 'audit_log', id: 'audit_log' },
      detail: { format, filters: askedBy(filters) },
    });
  }

  /** In the trail before the last line is sent: nobody has a whole export that is not in it. */
  private async record(
    attempt: string,
    { format, ...filters }: AuditExportFilter,
    { count, digest, complete, reason }: Sent,
  ): Promise<void> {
    await this.trail.recordAlone({
      action: 'audit.exported',
      category: 'access',
      severity: 'medium',
      outcome: complete ? 'success' : 'failure',
      resource: { type: 'audit_log', id: 'audit_log' },
      detail: {
        attempt,
        format,
        filters: askedBy(filters),
        count,
        ...(complete ? { digest: `sha256:${digest}` } : { brokenOff: true, ...(reason === undefined ? {} : { reason }) }),
      },
    });
  }
}

async function* pieces(form: Form, pages: AsyncGenerator<AuditEventView[]>): AsyncGenerator<{ text: string; count: number }> {
  let isFirst = true;
  if (form.head !== '') yield { text: form.head, count: 0 };
  for await (const page of pages) {
    const text = page.map((event, i) => form.line(event, isFirst && i === 0)).join('');
    isFirst = false;
    yield { text, count: page.length };
  }
}
