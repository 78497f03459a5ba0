import { Module } from '@nestjs/common';
import { BulkConfirmation } from '../bulk/bulk-confirmation.js';
import { BulkUsersController } from '../bulk/bulk.controller.js';
import { BulkLimit } from '../bulk/bulk-limit.js';
import { BulkOperations } from '../bulk/bulk-operations.js';
import { BulkRequest } from '../bulk/bulk-request.js';
import { BulkService } from '../bulk/bulk.service.js';
import { UsersModule } from '../users.module.js';
import { GroupsController } from './groups.controller.js';
import { GroupsRepository } from './groups.repository.js';
import { GroupsService } from './groups.service.js';

/** POSIX groups and their members; and what is done to many accounts at once, which needs accounts and groups. */
@Module({
  imports: [UsersModule],
  controllers: [BulkUsersController, GroupsController],
  providers: [BulkConfirmation, BulkLimit, BulkOperations, BulkRequest, BulkService, GroupsRepository, GroupsService],
  exports: [GroupsService],
})
export class GroupsModule {}
