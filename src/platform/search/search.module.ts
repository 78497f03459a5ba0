import { Global, Module } from '@nestjs/common';
import { UnifiedSearchController } from './search.controller.js';
import { SearchSources } from './search-sources.js';

/** One search over what features register. */
@Global()
@Module({ controllers: [UnifiedSearchController], providers: [SearchSources], exports: [SearchSources] })
export class SearchModule {}
