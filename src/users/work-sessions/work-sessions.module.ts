import { Module } from '@nestjs/common';
import { WorkSessionExpiry } from './work-session-expiry.js';
import { WorkSessionsController } from './work-sessions.controller.js';
import { WorkSessionsRepository } from './work-sessions.repository.js';
import { WorkSessionsService } from './work-sessions.service.js';

/** The conversations of tools and agents with the register. */
@Module({ controllers: [WorkSessionsController], providers: [WorkSessionsRepository, WorkSessionsService, WorkSessionExpiry] })
export class WorkSessionsModule {}
