import { type ArgumentMetadata, Injectable, type PipeTransform, ValidationPipe, type ValidationError } from '@nestjs/common';
import { AppError, type FieldError } from '../../kernel/app-error.js';

const options = {
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  transform: true,
  // The value only tells what is missing from what is wrong; no answer repeats it.
  validationError: { target: false, value: true },
};

/** Bodies that break a rule are 422 with a pointer to each field; query parameters that do, or that nobody knows, are 400. */
@Injectable()
export class EdgeValidation implements PipeTransform {
  private readonly body = new ValidationPipe({ ...options, exceptionFactory: (errors) => bodyError(errors) });
  private readonly query = new ValidationPipe({ ...options, exceptionFactory: (errors) => queryError(errors) });

  transform(value: unknown, metadata: ArgumentMetadata): unknown {
    if (metadata.type === 'custom' || metadata.type === 'param') return value;
    if (metadata.type === 'query') {
      // The transformer leaves it out without a word, so the validator never sees it.
      if (Object.hasOwn(value as object, '__proto__')) throw unknownParameter('__proto__');
      return this.query.transform(value, metadata);
    }
    if (value === undefined || value === null || typeof value !== 'object')
      throw new AppError('unparsable', 'body_expected', 'Send a JSON body with content-type application/json.');
    return this.body.transform(value, metadata);
  }
}

function bodyError(errors: ValidationError[]): AppError {
  const fields = flatten(errors, '');
  return new AppError('unprocessable', 'invalid_body', summary(fields), { errors: fields });
}

function queryError(errors: ValidationError[]): AppError {
  const fields = flatten(errors, '').map((field) => ({ ...field, pointer: `?${field.pointer.slice(1)}` }));
  return new AppError('unparsable', 'invalid_query', summary(fields), { errors: fields });
}

function unknownParameter(name: string): AppError {
  const detail = 'is not a known field';
  return new AppError('unparsable', 'invalid_query', `?${name}: ${detail}`, {
    errors: [{ pointer: `?${name}`, code: 'unknown_field', detail }],
  });
}

function summary(fields: FieldError[]): string {
  return fields.map((f) => `${f.pointer}: ${f.detail}`).join('; ');
}

function flatten(errors: ValidationError[], path: string): FieldError[] {
  return errors.flatMap((error) => {
    const pointer = `${path}/${error.property.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const own = Object.entries(error.constraints ?? {}).map(([code, message]) => ({
      pointer,
      code: snakeCase(code),
      detail:
        code === 'whitelistValidation'
          ? 'is not a known field'
          : withoutSubject(message, error.property).replace(/^property should not exist$/, 'is not a known field'),
    }));
    const missing = own.length > 0 && error.value === undefined;
    return [
      ...(missing ? [{ pointer, code: 'required', detail: 'is required' }] : own.slice(0, 1)),
      ...flatten(error.children ?? [], pointer),
    ];
  });
}

function snakeCase(name: string): string {
  return name === 'whitelistValidation'
    ? 'unknown_field'
    : name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/^_/, '');
}

/** The validator's sentence begins with the field, which the pointer names already; further on the word is part of what is said. */
function withoutSubject(message: string, field: string): string {
  return message.startsWith(`${field} `) ? message.slice(field.length + 1) : message;
}
