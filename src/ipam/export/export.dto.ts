import { IsOptional, IsUUID } from 'class-validator';

export class ExportFilter {
  /** Only this VRF. */
  @IsOptional()
  @IsUUID()
  vrfId?: string;
}
