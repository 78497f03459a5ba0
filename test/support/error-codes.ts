import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { AppError, type AppErrorKind } from '../../src/kernel/app-error.js';
import { problemOf } from '../../src/platform/http/problem.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where a code is put together at run time: what it can be. */
export const COMPUTED_CODES: Record<string, string[]> = {
  // The class itself.
  'src/kernel/app-error.ts': [],
  // What functions of the database raise: found in the migrations.
  'src/platform/database/pg-error.ts': [],
  // Errors of Nest that no route of ours leads to.
  'src/platform/http/problem.ts': [],
  'src/users/accounts/users.repository.ts': ['username_taken 409', 'email_taken 409'],
};

/** Every code an AppError is made with, as "code status", and the files where it is no literal. */
export function errorCodes(sources: readonly string[]): { codes: string[]; computed: string[] } {
  const codes = new Set<string>();
  const computed = new Set<string>();
  const add = (code: string, kind: string): void => void codes.add(`${code} ${statusOf(kind)}`);
  for (const file of sources) {
    const text = readFileSync(path.join(root, file), 'utf8');
    for (const [, kind = '', code = ''] of text.matchAll(/SQLSTATE '(CD\d+)' USING MESSAGE = '(\w+)'/g))
      codes.add(`${code} ${kind.slice(2)}`);
    if (!text.includes('AppError')) continue;
    const tree = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
    const makers = new Map<string, Maker>();
    const look = (node: ts.Node, literal: boolean): void => {
      const making = makingOf(node, makers);
      if (making) {
        const { code, kind } = making;
        const maker = code && makerAround(node, code);
        if (code && ts.isStringLiteralLike(code)) add(making.noun ? `${code.text}_not_found` : code.text, kind);
        else if (maker && literal) makers.set(maker.name, { kind, place: maker.place });
        else if (!maker) computed.add(file);
      }
      node.forEachChild((child) => {
        look(child, literal);
      });
    };
    // Once to find the functions that make errors for others, once more to find who calls them.
    look(tree, true);
    look(tree, false);
  }
  return { codes: [...codes], computed: [...computed].sort() };
}

interface Maker {
  kind: string;
  /** Which argument is the code. */
  place: number;
}

const FACTORIES: Record<string, Maker | undefined> = {
  conflict: { kind: 'conflict', place: 0 },
  field: { kind: 'unprocessable', place: 1 },
  notFound: { kind: 'not_found', place: 0 },
};

/** The code and kind of the error that an expression makes, if it makes one. */
function makingOf(
  node: ts.Node,
  makers: Map<string, Maker>,
): { kind: string; code: ts.Expression | undefined; noun?: boolean } | undefined {
  if (ts.isNewExpression(node) && node.expression.getText() === 'AppError') {
    const [kind, code] = node.arguments ?? [];
    return { kind: kind && ts.isStringLiteral(kind) ? kind.text : '', code };
  }
  if (!ts.isCallExpression(node)) return undefined;
  const called = node.expression.getText();
  const factory = called.startsWith('AppError.') ? FACTORIES[called.slice('AppError.'.length)] : makers.get(called);
  if (!factory) return undefined;
  return { kind: factory.kind, code: node.arguments[factory.place], noun: called === 'AppError.notFound' };
}

/** The function whose parameter the code is. */
function makerAround(node: ts.Node, code: ts.Expression): { name: string; place: number } | undefined {
  const around = ts.findAncestor(node, ts.isFunctionDeclaration);
  const place = around?.parameters.findIndex(({ name }) => name.getText() === code.getText()) ?? -1;
  return place === -1 ? undefined : { name: around?.name?.text ?? '', place };
}

function statusOf(kind: string): number {
  // What is no kind fails in the comparison.
  return problemOf(new AppError(kind as AppErrorKind, '', ''), '').status;
}
