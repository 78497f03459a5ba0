import { Global, Module } from '@nestjs/common';
import { DatabaseGauges } from './database-gauges.js';
import { Metrics } from './metrics.js';
import { MetricsController } from './metrics.controller.js';
import { RequestObserver } from './request-observer.js';

@Global()
@Module({ controllers: [MetricsController], providers: [Metrics, DatabaseGauges, RequestObserver], exports: [Metrics] })
export class MetricsModule {}
