import { IsOptional, IsString, Length, Matches } from 'class-validator';

/** One or more attribute=value pairs; enough to keep nonsense out of a file, not a parser of RFC 4514. */
const DN = /^[A-Za-z][A-Za-z0-9-]*=[^=\0]+(,\s*[A-Za-z][A-Za-z0-9-]*=[^=\0]+)*$/;

export class LdifFilter {
  /**
   * Below which entry the people are to be; it must exist where the file is loaded.
   * @example 'ou=people,dc=example,dc=net'
   */
  @IsOptional()
  @IsString()
  @Length(3, 500)
  @Matches(DN, { message: 'must be a distinguished name' })
  base?: string;
}

export class PreviewLdif {
  /** The text of an LDIF file, up to a million characters. */
  @IsString()
  @Length(1, 1_000_000)
  ldif!: string;
}

export class LdifChangeView {
  field!: string;
  before!: string | null;
  after!: string | null;
}

export class LdifMissingView {
  username!: string;
  line!: number;
}

export class LdifChangedView {
  username!: string;
  line!: number;
  changes!: LdifChangeView[];
}

export class LdifProblemView {
  line!: number;
  detail!: string;
}

export class LdifPreviewView {
  /** Always true: nothing was changed, and there is no import that would. */
  dryRun!: boolean;
  /** In the file and not here. */
  missing!: LdifMissingView[];
  changed!: LdifChangedView[];
  unchanged!: number;
  /** Active here and not in the file. */
  extra!: string[];
  problems!: LdifProblemView[];
}
