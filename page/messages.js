/** Perspective's messages, which are protobuf: as much of them as it takes to know what is asked and answered. */

const ERROR = 50; // the kind of answer that is none
const [MAKING, DELETING] = [6, 11]; // a view
const SUBSCRIBING = [21, 29, 34]; // the kinds of requests to be told of something later, which have no answer before
const FORGETTING = [11, 22, 30, 35, 37]; // to forget something
const GONE = [...FORGETTING, 12]; // and to say how large something is: what is gone is nothing

const varint = (number) => (number < 128 ? [number] : [(number % 128) | 128, ...varint(Math.floor(number / 128))]);
const field = (number, content) => [...varint(number * 8 + 2), ...varint(content.length), ...content];

/** The fields of a message: [number, value], texts and messages in it as bytes. */
function* fields(bytes) {
  let at = 0;
  const number = () => {
    let [value, scale] = [0, 1];
    for (; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    const value = number();
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

/** The name of the view that a request makes (`made`) or deletes (`gone`); null for any other. */
export function viewOf(bytes) {
  const found = Object.fromEntries(fields(bytes));
  const text = (of) => new TextDecoder().decode(of);
  if (found[MAKING]) return { made: text(Object.fromEntries(fields(found[MAKING]))[1]) };
  return found[DELETING] ? { gone: text(found[2]) } : null;
}

/** The requests, of these two numbers, that delete the view which a request makes and make it anew. */
export function madeAnew(bytes, [first, second]) {
  const name = new TextEncoder().encode(viewOf(bytes).made);
  const rest = bytes.subarray(1 + varint(request(bytes).id).length);
  const deleting = [8, ...varint(first), ...field(2, name), ...field(DELETING, [])];
  return [new Uint8Array(deleting), new Uint8Array([8, ...varint(second), ...rest])];
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
  const error = () => field(ERROR, field(1, [...new TextEncoder().encode(why)]));
  return new Uint8Array([8, ...varint(id), ...(GONE.includes(kind) ? field(kind, []) : error())]);
}
