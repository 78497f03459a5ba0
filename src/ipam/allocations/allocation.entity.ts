import { Column, Entity, PrimaryColumn } from 'typeorm';

export const allocationStatuses = ['allocated', 'reserved', 'blocked'] as const;
export type AllocationStatus = (typeof allocationStatuses)[number];

/** Who holds an address (or, reserved or blocked, a range), and since when. Released rows stay: they are the address's history. */
@Entity({ name: 'allocations' })
export class Allocation {
  @PrimaryColumn('uuid', { default: () => 'uuidv7()' })
  id!: string;

  @Column({ name: 'vrf_id', type: 'uuid' })
  vrfId!: string;

  /** The smallest pool that covers it; null once its pool is gone. */
  @Column({ name: 'pool_id', type: 'uuid', nullable: true })
  poolId!: string | null;

  @Column({ type: 'inet' })
  address!: string;

  @Column({ name: 'last_address', type: 'inet' })
  lastAddress!: string;

  @Column({ type: 'text' })
  status!: AllocationStatus;

  @Column({ type: 'text', nullable: true })
  hostname!: string | null;

  @Column({ type: 'macaddr', nullable: true })
  mac!: string | null;

  @Column({ type: 'text', nullable: true })
  owner!: string | null;

  @Column({ type: 'text', nullable: true })
  purpose!: string | null;

  @Column({ type: 'text', default: '' })
  description!: string;

  @Column({ type: 'int', default: 1 })
  version!: number;

  @Column({ name: 'allocated_at', type: 'timestamptz', default: () => 'now()' })
  allocatedAt!: Date;

  @Column({ name: 'allocated_by', type: 'text', default: 'system' })
  allocatedBy!: string;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;

  @Column({ name: 'released_at', type: 'timestamptz', nullable: true })
  releasedAt!: Date | null;

  @Column({ name: 'released_by', type: 'text', nullable: true })
  releasedBy!: string | null;

  /** Until when a released address rests. */
  @Column({ name: 'quarantined_until', type: 'timestamptz', nullable: true })
  quarantinedUntil!: Date | null;

  /** When its space went back to the pool. */
  @Column({ name: 'returned_at', type: 'timestamptz', nullable: true })
  returnedAt!: Date | null;
}
