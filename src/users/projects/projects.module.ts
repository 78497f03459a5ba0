import { Module } from '@nestjs/common';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { ProjectsController } from './projects.controller.js';
import { ProjectsRepository } from './projects.repository.js';
import { ProjectsService } from './projects.service.js';

/** Teams that own pools, requests and keys. */
@Module({ imports: [ApiKeysModule], controllers: [ProjectsController], providers: [ProjectsRepository, ProjectsService] })
export class ProjectsModule {}
