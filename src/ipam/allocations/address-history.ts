import { Injectable } from '@nestjs/common';
import { VrfsService } from '../vrfs/vrfs.service.js';
import { type Allocation } from './allocation.entity.js';
import { AllocationsRepository } from './allocations.repository.js';

/** Who held an address, and when; it outlives releases and the pool itself. */
@Injectable()
export class AddressHistory {
  constructor(
    private readonly allocations: AllocationsRepository,
    private readonly vrfs: VrfsService,
  ) {}

  /** Newest first. With `at`, the one holder at that time or none. Without a VRF, the default one. */
  async of(vrfId: string | undefined, ip: string, at: Date | undefined): Promise<Allocation[]> {
    return this.allocations.history(await this.vrfs.idOrDefault(vrfId), ip, at);
  }
}
