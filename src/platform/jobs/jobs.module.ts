import { Global, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AppConfig } from '../../config/app-config.js';
import { JobConsole } from './job-console.js';
import { JobExpiries } from './job-expiries.js';
import { JobHandlers } from './job-handlers.js';
import { JobReporter } from './job-reporter.js';
import { JobRunner } from './job-runner.js';
import { JobWorker } from './job-worker.js';
import { JobSettings } from './job.js';
import { JobRepository } from './job.repository.js';
import { Jobs } from './jobs.js';
import { JobsController } from './jobs.controller.js';

/** Durable jobs. Needs a JobEvents from whoever keeps the audit trail. */
@Global()
@Module({
  imports: [ScheduleModule.forRootAsync({ useFactory: (config: AppConfig) => ({ cronJobs: config.jobs }), inject: [AppConfig] })],
  controllers: [JobsController],
  providers: [
    Jobs,
    JobHandlers,
    JobRepository,
    JobRunner,
    JobReporter,
    JobWorker,
    JobConsole,
    JobExpiries,
    {
      provide: JobSettings,
      useFactory: (config: AppConfig) => Object.assign(new JobSettings(), { enabled: config.jobs }),
      inject: [AppConfig],
    },
  ],
  exports: [Jobs, JobHandlers, JobRepository],
})
export class JobsModule {}
