/** Chance for ids, sockets and letters' case. It must not be guessed (RFC 5452 §9), so it comes from the system. */

const AT_ONCE = 256;

/** Gives numbers from 0 to below 1; a call to the system for every 256 of them. */
export function secureRandom(): () => number {
  const numbers = new Uint32Array(AT_ONCE);
  let left = 0;
  return () => {
    if (left === 0) {
      crypto.getRandomValues(numbers);
      left = AT_ONCE;
    }
    return numbers[--left]! / 2 ** 32;
  };
}
