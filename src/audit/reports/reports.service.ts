import { Injectable, type StreamableFile } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { currentContext } from '../../platform/context/request-context.js';
import { type AuditEventView } from '../log/audit-event.dto.js';
import { askedBy, AuditReading } from '../log/audit-reading.js';
import { EventPages } from './event-pages.js';
import { closingLine } from './export-formats.js';
import { type Report } from './report-kinds.js';
import { sealedStream } from './sealed-stream.js';

export const REPORT_TYPE = 'application/x-ndjson; charset=utf-8';

/** Reports as lines of JSON: what it is and who made it, then the events, then count and digest. */
@Injectable()
export class AuditReports {
  constructor(
    private readonly pages: EventPages,
    private readonly reading: AuditReading,
    private readonly clock: Clock,
  ) {}

  async make(report: Report): Promise<StreamableFile> {
    const { name, parameters } = report;
    const { pages, archivedMonths } = await this.pages.of(report.questions, parameters.archived);
    const asked = { question: `report:${name}`, filters: askedBy(parameters) };
    const attempt = await this.reading.begin('audit.report_started', asked);
    return sealedStream({
      type: REPORT_TYPE,
      filename: `${name}.ndjson`,
      pieces: pieces(report, this.head(report), pages),
      last: (sent) => closingLine({ ...sent, archivedMonths }),
      record: ({ count, digest, complete, reason }) =>
        this.reading.recordAlone(
          {
            attempt,
            ...asked,
            count,
            ...(complete ? { digest: `sha256:${digest}` } : { brokenOff: true, ...(reason === undefined ? {} : { reason }) }),
          },
          complete ? 'success' : 'failure',
        ),
    });
  }

  private head({ name, title, parameters, notRecorded, legend }: Report): object {
    const maker = currentContext()?.principal;
    return {
      report: name,
      title,
      parameters: askedBy(parameters),
      madeAt: this.clock.now().toISOString(),
      madeBy: { id: maker?.id ?? 'system', name: maker?.name ?? 'system' },
      notRecorded,
      ...legend,
    };
  }
}

async function* pieces(
  report: Report,
  head: object,
  pages: AsyncGenerator<AuditEventView[]>,
): AsyncGenerator<{ text: string; count: number }> {
  yield { text: `${JSON.stringify(head)}\n`, count: 0 };
  for await (const page of pages) {
    const lines = page.flatMap((event) => report.line(event) ?? []);
    if (lines.length > 0) yield { text: lines.map((line) => `${JSON.stringify(line)}\n`).join(''), count: lines.length };
  }
}
