/** Throughput of one way of doing something, in units a second, over one round of about `ms` milliseconds. */
export interface Contender {
  name: string;
  round(ms: number): Promise<number>;
}

export interface Comparison {
  title: string;
  /** What the first contender reaches of the second, at least. */
  aim: number;
  contenders: readonly [Contender, Contender];
}

const ROUNDS = 5;
const ROUND_MS = 1500;

/** Contenders take turns within a run, so that a neighbour’s noise hits both; medians and their ratio are printed. */
export async function compare({ title, aim, contenders }: Comparison): Promise<number> {
  const results = await interleaved(contenders);
  const [ours = 0, floor = 1] = results.map(median);
  const ratio = ours / floor;
  const figures = contenders
    .map(({ name }, i) => `${name} ${format(median(results[i] ?? []))}/s (${spread(results[i] ?? [])})`)
    .join(' · ');
  console.log(
    `${ratio >= aim ? '  ok ' : ' miss'}  ${ratio.toFixed(2)} (aim ≥ ${aim})  ${title}\n              ${figures}, medians of ${ROUNDS}`,
  );
  return ratio;
}

/** How far the slowest of several like things is from the fastest. */
export async function even(title: string, aim: number, contenders: readonly Contender[]): Promise<number> {
  const medians = (await interleaved(contenders)).map(median);
  const ratio = Math.max(...medians) / Math.min(...medians);
  console.log(`${ratio <= aim ? '  ok ' : ' miss'}  ${ratio.toFixed(2)} (aim ≤ ${aim})  ${title}`);
  contenders.forEach(({ name }, i) => {
    console.log(`              ${format(medians[i] ?? 0).padStart(8)}/s  ${name}`);
  });
  return ratio;
}

/** Like compare(), for what should be small: the first contender's figure in terms of the second's. */
export async function atMost(title: string, aim: number, unit: string, contenders: readonly Contender[]): Promise<number> {
  const results = await interleaved(contenders);
  const [ours = 0, floor = 1] = results.map(median);
  const ratio = ours / floor;
  const figures = contenders
    .map(({ name }, i) => `${name} ${format(median(results[i] ?? []))} ${unit} (${spread(results[i] ?? [])})`)
    .join(' · ');
  console.log(
    `${ratio <= aim ? '  ok ' : ' miss'}  ${ratio.toFixed(2)} (aim ≤ ${aim})  ${title}\n              ${figures}, medians of ${ROUNDS}`,
  );
  return ratio;
}

/** Rounds that give the CPU time a unit of work costs, in microseconds, in place of units a second. `cpu` reads the process that does it. */
export function cpuEach(contender: Contender, cpu: () => Promise<number>): Contender['round'] {
  return async (ms) => {
    const before = await cpu();
    const began = performance.now();
    const perSecond = await contender.round(ms);
    const seconds = (performance.now() - began) / 1000;
    return ((await cpu()) - before) / (perSecond * Math.min(seconds, ms / 1000));
  };
}

export async function medianOf(rounds: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i < rounds; i++) values.push(await measure());
  return median(values);
}

async function interleaved(contenders: readonly Contender[]): Promise<number[][]> {
  const results = contenders.map((): number[] => []);
  // Long enough for what is run often to be compiled.
  for (const contender of contenders) await contender.round(2 * ROUND_MS);
  for (let round = 0; round < ROUNDS; round++) {
    // Every other round the other way about, so that nobody always comes second.
    const order = contenders.map((_, i) => (round % 2 === 0 ? i : contenders.length - 1 - i));
    for (const i of order) results[i]?.push((await contenders[i]?.round(ROUND_MS)) ?? 0);
  }
  return results;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

function spread(values: readonly number[]): string {
  return `${format(Math.min(...values))}–${format(Math.max(...values))}`;
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}
