import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { type CreateVrf, type PatchVrf, type VrfFilter } from './vrf.dto.js';
import { Vrf } from './vrf.entity.js';

explainConstraint('vrfs_name_unique', () => AppError.conflict('vrf_name_taken', 'Another VRF has this name.'));
explainConstraint('vrfs_rd_unique', () => AppError.conflict('vrf_rd_taken', 'Another VRF has this route distinguisher.'));
explainConstraint('allocations_vrf', () =>
  AppError.conflict('vrf_has_history', 'Addresses were allocated in this VRF; their history keeps it.'),
);

@Injectable()
export class VrfsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
  ) {}

  async create(input: CreateVrf): Promise<Vrf> {
    return this.work.run(async () => {
      const vrfs = this.work.manager.getRepository(Vrf);
      const { id } = await vrfs.save(
        vrfs.create({ name: input.name, rd: input.rd ?? null, description: input.description ?? '', createdBy: actorName() }),
      );
      const vrf = await this.get(id);
      await this.audit.record({ action: 'vrf.created', category: 'ipam', resource: { type: 'vrf', id, name: vrf.name }, after: vrf });
      return vrf;
    });
  }

  async list({ q, limit, offset }: VrfFilter): Promise<{ items: Vrf[]; total: number }> {
    return this.work.run(async () => {
      const query = this.work.manager.getRepository(Vrf).createQueryBuilder('v').orderBy('lower(v.name)').limit(limit).offset(offset);
      if (q !== undefined)
        query.where('position(lower(:q) in lower(v.name)) > 0 OR position(lower(:q) in lower(v.description)) > 0', { q });
      const [items, total] = await query.getManyAndCount();
      return { items, total };
    });
  }

  async get(id: string): Promise<Vrf> {
    const vrf = await this.work.run(() => this.work.manager.findOneBy(Vrf, { id }));
    if (!vrf) throw AppError.notFound('vrf', id);
    return vrf;
  }

  /** The named VRF, or the default one. */
  async idOrDefault(id: string | undefined): Promise<string> {
    if (id !== undefined) return (await this.get(id)).id;
    const [vrf] = await this.work.query<{ id: string }>('SELECT id FROM vrfs WHERE is_default');
    if (!vrf) throw AppError.field('/vrfId', 'vrf_required', 'There is no default VRF; name one.');
    return vrf.id;
  }

  async patch(id: string, input: PatchVrf, expected: number | undefined): Promise<Vrf> {
    return this.work.run(async () => {
      const before = await this.locked(id, expected);
      const next = {
        name: input.name ?? before.name,
        rd: input.rd === undefined ? before.rd : input.rd,
        description: input.description ?? before.description,
      };
      if (next.name === before.name && next.rd === before.rd && next.description === before.description) return before;
      await this.work.query(
        'UPDATE vrfs SET name = $2, rd = $3, description = $4, version = version + 1, updated_at = now() WHERE id = $1',
        [id, next.name, next.rd, next.description],
      );
      const after = await this.get(id);
      await this.audit.record({ action: 'vrf.updated', category: 'ipam', resource: { type: 'vrf', id, name: after.name }, before, after });
      return after;
    });
  }

  async delete(id: string, expected: number | undefined): Promise<void> {
    await this.work.run(async () => {
      const before = await this.locked(id, expected);
      if (before.isDefault) throw AppError.conflict('vrf_is_default', 'The default VRF stays.');
      await this.work.query('DELETE FROM vrfs WHERE id = $1', [id]);
      await this.audit.record({
        action: 'vrf.deleted',
        category: 'ipam',
        severity: 'low',
        resource: { type: 'vrf', id, name: before.name },
        before,
      });
    });
  }

  private async locked(id: string, expected: number | undefined): Promise<Vrf> {
    const vrf = await this.work.manager.findOne(Vrf, { where: { id }, lock: { mode: 'for_no_key_update' } });
    if (!vrf) throw AppError.notFound('vrf', id);
    if (expected !== undefined && expected !== vrf.version) throw staleVersion(vrf.version);
    return vrf;
  }
}
