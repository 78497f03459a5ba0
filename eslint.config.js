import js from '@eslint/js';
import jest from 'eslint-plugin-jest';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

const houseRules = [
  { selector: "CallExpression[callee.name='forwardRef']", message: 'A cycle: turn one side into a port.' },
  {
    selector: "Decorator[expression.callee.name='Inject'] Identifier[name='REQUEST']",
    message: 'No request scope: take the caller from AsyncLocalStorage.',
  },
  { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that defines it.' },
  {
    selector: 'Literal[value=/pg_(try_)?advisory_(un)?lock(_shared)?\\(|^\\s*(UN)?LISTEN\\s/i]',
    message: 'Session locks and LISTEN do not survive transaction pooling: use pg_advisory_xact_lock, or the direct connection.',
  },
  {
    selector: 'TemplateElement[value.raw=/pg_(try_)?advisory_(un)?lock(_shared)?\\(/i]',
    message: 'Session locks do not survive transaction pooling: use pg_advisory_xact_lock.',
  },
];

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'var'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off', // DTOs and fakes are structural on purpose
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'max-lines': ['warn', { max: 300, skipComments: true, skipBlankLines: true }],
      'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'Read settings through AppConfig.' }],
      'no-restricted-syntax': ['error', ...houseRules],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', fetch: 'readonly', setTimeout: 'readonly', Buffer: 'readonly' },
    },
  },
  { files: ['src/main.ts', 'src/config/**', 'src/cli/**', 'test/**', 'bench/**'], rules: { 'no-restricted-properties': 'off' } },
  {
    files: ['**/*.spec.ts', '**/*.e2e-spec.ts'],
    extends: [jest.configs['flat/recommended']],
    rules: {
      'jest/no-standalone-expect': ['error', { additionalTestBlockFunctions: ['afterEach'] }],
      'jest/expect-expect': ['error', { assertFunctionNames: ['expect', 'expect*', '**.expect', 'fc.assert'] }],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  prettier,
);
