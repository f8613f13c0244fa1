/** Makes a generator of numbers in [0, 1) with 32 random bits (sfc32), for more numbers than the lab draws; a seed always gives the same. */
export function sfc32(seed: number): () => number {
  let [a, b, c, counter] = [0x9e3779b9 | 0, 0x243f6a88 | 0, seed | 0, 1];
  function next(): number {
    const sum = (a + b | 0) + counter | 0;
    counter = counter + 1 | 0;
    a = b ^ b >>> 9;
    b = c + (c << 3) | 0;
    c = (c << 21 | c >>> 11) + sum | 0;
    return (sum >>> 0) / 2 ** 32;
  }
  for (let i = 0; i < 16; i++) next(); // mixes the seed in
  return next;
}
