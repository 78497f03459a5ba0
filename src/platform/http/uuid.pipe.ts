import { Injectable, type PipeTransform } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { isUuid } from '../../kernel/uuid.js';

/** A path's id: what is no uuid names nothing, so the answer is 404 like for any other unknown id. */
@Injectable()
export class UuidPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!isUuid(value)) throw new AppError('not_found', 'not_found', 'There is nothing with this id.');
    return value.toLowerCase();
  }
}
