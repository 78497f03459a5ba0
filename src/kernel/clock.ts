/** Where the time comes from; tests put their own in its place. Time of record is the database's clock. */
export abstract class Clock {
  abstract now(): Date;
}

export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}
