import { Controller, Get, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { Limit } from '../../platform/limits/limit.js';
import { SearchFilter, SearchResult } from './search.dto.js';
import { SearchService } from './search.service.js';

@Controller('ipam/search')
export class SearchController {
  constructor(private readonly search: SearchService) {}

  /** Find addresses and pools by whatever is at hand. */
  @Get()
  @Requires('allocation:read')
  @Limit({ budget: 'search' })
  find(@Query() filter: SearchFilter): Promise<SearchResult> {
    return this.search.find(filter);
  }
}
