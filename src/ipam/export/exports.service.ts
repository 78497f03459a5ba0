import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext, type RequestContext, runInContext } from '../../platform/context/request-context.js';
import { csvLine, listCell } from '../../kernel/csv-cell.js';
import { type FileKind, shapes } from '../import/import-files.js';
import { type ExportRow, ExportsRepository } from './exports.repository.js';

const BATCH = 5000;

/** What is stored, in the columns that the import reads. */
@Injectable()
export class ExportsService {
  constructor(private readonly exports: ExportsRepository) {}

  /** The file as a stream of batches, so that memory stays flat. Throws `vrf_not_found` before it begins. */
  async csv(kind: FileKind, vrfId: string | undefined): Promise<Readable> {
    if (vrfId !== undefined && !(await this.exports.vrfExists(vrfId))) throw AppError.notFound('vrf', vrfId);
    return Readable.from(this.lines(kind, vrfId, currentContext()));
  }

  private async *lines(kind: FileKind, vrfId: string | undefined, context: RequestContext | undefined): AsyncGenerator<string> {
    const columns = [...shapes[kind].required, ...shapes[kind].optional];
    yield csvLine(columns);
    let after: [string, string] | undefined;
    for (;;) {
      // Whoever reads the stream may do so outside of the request, whose limits hold all the same.
      const ask = (): Promise<ExportRow[]> => this.exports.page(kind, after, vrfId, BATCH);
      const rows = await (context ? runInContext(context, ask) : ask());
      yield rows.map(({ cells }) => csvLine(columns.map((name) => cellText(cells[name] ?? null)))).join('');
      after = rows.at(-1)?.key;
      if (!after || rows.length < BATCH) return;
    }
  }
}

function cellText(value: string | string[] | null): string | null {
  return Array.isArray(value) ? listCell(value) : value;
}
