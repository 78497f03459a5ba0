import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsOptional } from 'class-validator';
import { ToBoolean } from '../../platform/http/paging.dto.js';
import { type FileKind, fileKinds } from './import-files.js';

export class ImportOptions {
  /** Only say what would happen. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  dryRun?: boolean;
}

class FileCounts {
  rows!: number;
  created!: number;
  /** Already there with the same content. */
  unchanged!: number;
  /** Already there with other content, which stays. */
  differs!: number;
  refused!: number;
}

export class FileReport extends FileCounts {
  @ApiProperty({ enum: fileKinds })
  file!: FileKind;
  /** Columns that mean nothing here. */
  ignoredColumns!: string[];
}

/** A row that was refused, or is stored with other content. */
export class RowProblem {
  @ApiProperty({ enum: fileKinds })
  file!: FileKind;
  /** Where the row begins. */
  line!: number;
  /**
   * Stable name of the reason.
   * @example 'outside_any_pool'
   */
  code!: string;
  detail!: string;
  /** What the row is about, as it was written. */
  value!: string;
}

export class ImportReport {
  /** Nothing was stored. */
  dryRun!: boolean;
  files!: FileReport[];
  /** The first thousand, in the order of the files. */
  problems!: RowProblem[];
  /** How many there are. */
  problemCount!: number;
}
