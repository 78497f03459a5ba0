import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { Matches, registerDecorator, ValidateBy } from 'class-validator';
import { AppError } from '../kernel/app-error.js';
import { type Cidr, formatCidr, formatIp, type Ip, IpSyntaxError, parseCidr, parseIp } from './domain/ip.js';
import { parseHostname } from './domain/hostname.js';
import { parseMac } from './domain/mac.js';

/** The field is a network, with no host bits set; the refusal names the canonical form where there is one. */
export function IsCidr(options: { each?: boolean } = {}): PropertyDecorator {
  return validator('isCidr', (text) => formatCidr(parseCidr(text)), options.each === true);
}

/** The field is one address without a prefix length. */
export function IsIpAddress(): PropertyDecorator {
  return validator('isIpAddress', (text) => formatIp(parseIp(text)));
}

/** The field is a MAC address in any notation; it is read as aa:bb:cc:dd:ee:ff. */
export function IsMac(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? (parseMac(value) ?? value) : value)),
    Matches(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, { message: 'must be a MAC address, such as aa:bb:cc:dd:ee:ff' }),
  );
}

/** The field is a host name by RFC 1123 §2.1: labels of letters, digits and inner hyphens, at most 63 each and 253 together; read in lower case. */
export function IsHostname(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? (parseHostname(value) ?? value) : value)),
    ValidateBy({
      name: 'isHostname',
      validator: {
        validate: (value) => typeof value === 'string' && parseHostname(value) !== undefined,
        defaultMessage: () => 'must be a host name: labels of letters, digits and inner hyphens, joined by dots',
      },
    }),
  );
}

/** The address a path or query names. Throws a 400 that names the parameter. */
export function ipParameter(name: string, text: string): Ip {
  return readable(name, () => parseIp(text));
}

/** The network a query names; host bits are refused, not masked. */
export function cidrParameter(name: string, text: string): Cidr {
  return readable(name, () => parseCidr(text));
}

/** A query parameter that may be either. Throws a 400 that names it. */
export function checkAddressOrNetwork(name: string, text: string): void {
  readable<unknown>(name, () => (text.includes('/') ? parseCidr(text) : parseIp(text)));
}

function readable<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof IpSyntaxError)) throw error;
    const detail = error.message;
    throw new AppError('unparsable', 'invalid_query', `${name} ${detail}.`, {
      errors: [{ pointer: `?${name}`, code: error.code, detail }],
    });
  }
}

function validator(name: string, canonical: (text: string) => string, each = false): PropertyDecorator {
  const read = (value: unknown): unknown => {
    if (each && Array.isArray(value)) return value.map((item) => readOne(canonical, item));
    return readOne(canonical, value);
  };
  return applyDecorators(
    // The canonical text, so that one network has one spelling from here on; what cannot be read is left for the validator to explain.
    Transform(({ value }: { value: unknown }) => read(value)),
    (target: object, key: string | symbol) => {
      registerDecorator({
        name,
        target: target.constructor,
        propertyName: String(key),
        options: { each },
        validator: {
          validate: (value) => typeof value === 'string' && reason(canonical, value) === undefined,
          defaultMessage: (args) => (typeof args?.value === 'string' ? (reason(canonical, args.value) ?? '') : 'must be text'),
        },
      });
    },
  );
}

function readOne(canonical: (text: string) => string, value: unknown): unknown {
  return typeof value === 'string' && reason(canonical, value) === undefined ? canonical(value) : value;
}

function reason(canonical: (text: string) => string, text: string): string | undefined {
  try {
    canonical(text);
    return undefined;
  } catch (error) {
    if (error instanceof IpSyntaxError) return error.message;
    throw error;
  }
}
