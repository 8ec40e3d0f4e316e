// Talks to the server: requests, refusals as errors with a hint, and the stream of records.

/** A refusal, with what to do about it. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.title = problem.title;
    this.hint = problem.hint;
    this.status = problem.status;
  }
}

const NO_ANSWER = {
  title: 'no answer',
  status: 0,
  detail: 'Gatepost does not answer',
  hint: 'check that `gatepost up` is still running, then try again',
};

async function call(method, path, body) {
  const request = { method, headers: { Accept: 'application/json' } };
  if (body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Refused(NO_ANSWER);
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Refused({ ...NO_ANSWER, status: response.status });
  }
  if (!response.ok) throw new Refused(answer);
  return answer;
}

export const get = (path) => call('GET', path);
export const post = (path, body = {}) => call('POST', path, body);

/**
 * Follows the records. `seen` gets each record, `connected` true or false as the stream comes and
 * goes. What was missed in between is read anew by whoever is told that it is connected again.
 */
export function follow(kinds, seen, connected) {
  const source = new EventSource('/api/events');
  source.addEventListener('hello', () => connected(true));
  for (const kind of kinds) {
    source.addEventListener(kind, (event) => seen(JSON.parse(event.data)));
  }
  source.addEventListener('error', () => {
    connected(false);
    // After a refusal a browser gives up for good; the server may only be starting.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => follow(kinds, seen, connected), 2000);
    }
  });
}
