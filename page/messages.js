/** Perspective's messages, which are protobuf: as much of them as it takes to know what is asked and answered. */

const ERROR = 50; // the kind of answer that is none
const SUBSCRIBING = [21, 29, 34]; // the kinds of requests to be told of something later, which have no answer before
const FORGETTING = [11, 22, 30, 35, 37]; // to forget something
const GONE = [...FORGETTING, 12]; // and to say how large something is: what is gone is nothing

/** The fields of a message: [number, value], texts and messages in it as bytes. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const value = varint();
    if ((key & 7) === 0) yield [key >>> 3, value];
    else if ((key & 7) === 2) yield [key >>> 3, bytes.subarray(at, (at += value))];
    else return;
  }
}

/** A request's own number, and its kind. */
export function request(bytes) {
  const found = [...fields(bytes)];
  const [[, id], [kind]] = [found[0], found.at(-1)];
  return { id, kind };
}

/** The number of the request that is answered, and the error that the answer is, or null. */
export function answer(bytes) {
  const { 1: id, [ERROR]: error } = Object.fromEntries(fields(bytes));
  return { id, error: error ? new TextDecoder().decode(Object.fromEntries(fields(error))[1]) : null };
}

/** Whether a request of this kind is answered, and soon. */
export const isAnswered = (kind) => !SUBSCRIBING.includes(kind);

/** Whether a request of this kind may fail without harm. */
export const mayFail = (kind) => FORGETTING.includes(kind);

/** The answer to a request where nobody can be asked any more, and why. */
export function lastAnswer({ id, kind }, why) {
  const varint = (number) => (number < 128 ? [number] : [(number % 128) | 128, ...varint(Math.floor(number / 128))]);
  const field = (number, content) => [...varint(number * 8 + 2), ...varint(content.length), ...content];
  const error = () => field(ERROR, field(1, [...new TextEncoder().encode(why)]));
  return new Uint8Array([8, ...varint(id), ...(GONE.includes(kind) ? field(kind, []) : error())]);
}
