import { Column, Entity, PrimaryColumn } from 'typeorm';

export const poolKinds = ['container', 'subnet'] as const;
export type PoolKind = (typeof poolKinds)[number];

/** A network in a VRF's tree. Containers hold pools; subnets hold addresses, and pools where they are carved further. */
@Entity({ name: 'pools' })
export class Pool {
  @PrimaryColumn('uuid', { default: () => 'uuidv7()' })
  id!: string;

  @Column({ name: 'vrf_id', type: 'uuid' })
  vrfId!: string;

  /** The smallest pool around it; every VRF has a hidden root for each family, so that no pool is without. */
  @Column({ name: 'parent_id', type: 'uuid', nullable: true })
  parentId!: string | null;

  @Column({ type: 'text' })
  kind!: PoolKind;

  @Column({ type: 'text' })
  name!: string;

  @Column({ type: 'cidr' })
  network!: string;

  @Column({ type: 'inet', nullable: true })
  gateway!: string | null;

  @Column({ type: 'int', nullable: true })
  vlan!: number | null;

  @Column({ type: 'text', nullable: true })
  site!: string | null;

  @Column({ type: 'text', nullable: true })
  environment!: string | null;

  @Column({ type: 'text', array: true, default: '{}' })
  tags!: string[];

  @Column({ type: 'text', default: '' })
  description!: string;

  @Column({ type: 'boolean', default: true })
  active!: boolean;

  /** How long a released address rests before it is offered again. */
  @Column({ name: 'cooldown_seconds', type: 'int', default: 86_400 })
  cooldownSeconds!: number;

  @Column({ type: 'int', default: 1 })
  version!: number;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'created_by', type: 'text', default: 'system' })
  createdBy!: string;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}
