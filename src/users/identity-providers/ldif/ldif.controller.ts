import { Body, Controller, Get, HttpCode, Post, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiProduces } from '@nestjs/swagger';
import { Requires } from '../../../platform/auth/access.js';
import { LdifExchange } from './ldif-exchange.js';
import { LdifFilter, LdifPreviewView, PreviewLdif } from './ldif.dto.js';

@Controller('identity-providers/ldif')
export class LdifController {
  constructor(private readonly ldif: LdifExchange) {}

  /** Active accounts as LDIF: inetOrgPerson, and posixAccount for those with the numbers. */
  @Get()
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Requires('user:read')
  export(@Query() { base }: LdifFilter): StreamableFile {
    return new StreamableFile(this.ldif.export(base), {
      type: 'text/plain; charset=utf-8',
      disposition: 'attachment; filename="people.ldif"',
    });
  }

  /** What the people of an LDIF file have that the accounts here have not. A dry run, always: nothing is imported. */
  @Post()
  @HttpCode(200)
  @Requires('user:read')
  async preview(@Body() { ldif }: PreviewLdif): Promise<LdifPreviewView> {
    return { dryRun: true, ...(await this.ldif.preview(ldif)) };
  }
}
