import { Injectable, type PipeTransform } from '@nestjs/common';
import { noProvider } from './providers.repository.js';

/** What cannot be a slug names no provider: the answer is that of an unknown one. */
@Injectable()
export class SlugPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(value)) throw noProvider();
    return value;
  }
}
