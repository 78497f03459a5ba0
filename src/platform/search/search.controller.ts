import { Controller, Get, Query } from '@nestjs/common';
import { Requires } from '../auth/access.js';
import { Limit } from '../limits/limit.js';
import { SearchAnswer, SearchQuery } from './search.dto.js';
import { SearchSources } from './search-sources.js';

@Controller('search')
export class UnifiedSearchController {
  constructor(private readonly sources: SearchSources) {}

  /** Search everything you may read; a key finds what its project and its limits let it see. */
  @Get()
  @Requires('search:read')
  @Limit({ budget: 'search' })
  find(@Query() { q, types, limit }: SearchQuery): Promise<SearchAnswer> {
    return this.sources.find(q, types, limit);
  }
}
