import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { AppError } from '../../kernel/app-error.js';
import { MAX_SPLIT, merge, split, usableHosts } from '../domain/calculator.js';
import { type Cidr, formatCidr, formatIp, IpSyntaxError, lastOf, parseCidr, sizeOf, widthOf } from '../domain/ip.js';
import { cidrParameter } from '../ip-validators.js';
import { MergeNetworks, NetworkInfo, NetworkList, NetworkQuery, NetworkVerdict, SplitQuery } from './calculator.dto.js';

@Controller('ipam/calculator')
export class CalculatorController {
  /** Bounds, masks and sizes of a network. */
  @Get('info')
  @Requires('pool:read')
  info(@Query() query: NetworkQuery): NetworkInfo {
    return infoOf(cidrParameter('network', query.network));
  }

  /** The parts of one length. */
  @Get('split')
  @Requires('pool:read')
  split(@Query() query: SplitQuery): NetworkList {
    const network = cidrParameter('network', query.network);
    if (query.length < network.length || query.length > widthOf(network.family))
      throw lengthError(`must be from ${network.length} to ${widthOf(network.family)}`);
    if (query.length - network.length > Math.log2(MAX_SPLIT)) throw lengthError(`would give more than ${MAX_SPLIT} networks`);
    return { networks: split(network, query.length).map(formatCidr) };
  }

  /** The fewest networks with exactly the same addresses. */
  @Post('merge')
  @HttpCode(200)
  @Requires('pool:read')
  merge(@Body() body: MergeNetworks): NetworkList {
    return { networks: merge(body.networks.map(parseCidr)).map(formatCidr) };
  }

  /** Whether a text is a network, and what is wrong with it. */
  @Get('validate')
  @Requires('pool:read')
  validate(@Query() query: NetworkQuery): NetworkVerdict {
    try {
      return { valid: true, code: null, detail: null, canonical: formatCidr(parseCidr(query.network)) };
    } catch (error) {
      if (!(error instanceof IpSyntaxError)) throw error;
      return { valid: false, code: error.code, detail: `${query.network} ${error.message}.`, canonical: error.canonical ?? null };
    }
  }
}

function infoOf(network: Cidr): NetworkInfo {
  const { family, first, length } = network;
  const width = widthOf(family);
  const text = (value: bigint): string => formatIp({ family, value });
  const mask = ((1n << BigInt(length)) - 1n) << BigInt(width - length);
  const whole = length >= width - 1;
  return {
    network: formatCidr(network),
    family,
    length,
    netmask: family === 4 ? text(mask) : null,
    wildcard: family === 4 ? text(sizeOf(network) - 1n) : null,
    first: text(first),
    last: text(lastOf(network)),
    firstHost: text(whole ? first : first + 1n),
    lastHost: text(whole || family === 6 ? lastOf(network) : lastOf(network) - 1n),
    broadcast: family === 4 && !whole ? text(lastOf(network)) : null,
    size: sizeOf(network).toString(),
    usable: usableHosts(network).toString(),
  };
}

function lengthError(detail: string): AppError {
  return new AppError('unparsable', 'invalid_query', `length ${detail}.`, {
    errors: [{ pointer: '?length', code: 'length_out_of_range', detail }],
  });
}
