// Makes and keeps elements. Text from the server only ever becomes text, never markup.

/** An element: `el('p.note', {title: 'x'}, 'text', child)`. */
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'on') {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else if (value === true) {
      element.setAttribute(key, '');
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button that is busy, and cannot be pressed again, until its work is done. */
export function button(label, work, attributes = {}) {
  const element = el('button', { type: 'button', ...attributes }, label);
  element.addEventListener('click', async () => {
    if (element.getAttribute('aria-disabled') === 'true') return;
    // `disabled` would throw the keyboard's focus away.
    element.setAttribute('aria-disabled', 'true');
    try {
      await work();
    } finally {
      element.removeAttribute('aria-disabled');
    }
  });
  return element;
}

/**
 * Brings the children of `parent` in line with `items`, each `{key, data, make}`. A child whose
 * data did not change is left alone, so that focus, selection and half-typed words stay.
 */
export function reconcile(parent, items) {
  const kept = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const { key, data, make } of items) {
    const print = JSON.stringify(data);
    let child = kept.get(key);
    kept.delete(key);
    if (!child || child.print !== print) {
      const fresh = make(data);
      fresh.dataset.key = key;
      fresh.print = print;
      if (child) {
        const focused = child.contains(document.activeElement);
        child.replaceWith(fresh);
        if (focused) focus(fresh);
      }
      child = fresh;
    }
    const place = before ? before.nextSibling : parent.firstChild;
    if (child !== place) parent.insertBefore(child, place);
    before = child;
  }
  for (const gone of kept.values()) {
    const focused = gone.contains(document.activeElement);
    gone.remove();
    if (focused) focus(document.getElementById('view'));
  }
}

/** A keyboard must not be thrown back to the top of the page when what it was on goes away. */
function focus(element) {
  if (!element.hasAttribute('tabindex')) element.setAttribute('tabindex', '-1');
  element.focus({ preventScroll: true });
}

/** Shows a refusal where it happened, and says it aloud. */
export function refusal(place, error) {
  place.replaceChildren(
    el('strong', {}, error.message),
    error.hint ? el('span', {}, ` ${error.hint}`) : '',
  );
  place.hidden = false;
  say('assertive', `${error.message}. ${error.hint || ''}`);
}

/** Says something to a screen reader. */
export function say(manner, text) {
  document.getElementById(manner).textContent = text;
}

/** A time, told from now, with the full time behind it. */
export function when(iso) {
  const time = el('time', { datetime: iso, title: new Date(iso).toLocaleString() });
  tell(time);
  return time;
}

/** Tells every time on the page anew, as time goes by. */
export function tellTimes() {
  for (const time of document.querySelectorAll('time[datetime]')) tell(time);
}

function tell(time) {
  const at = new Date(time.dateTime);
  const minutes = Math.round((at - Date.now()) / 60000);
  const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  const clock = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  if (Math.abs(minutes) < 1) time.textContent = 'now';
  else if (minutes > 0 && minutes < 60) {
    time.textContent = `${relative.format(minutes, 'minute')} (${clock})`;
  } else if (Math.abs(minutes) < 60) time.textContent = relative.format(minutes, 'minute');
  else if (at.toDateString() === new Date().toDateString()) time.textContent = clock;
  else time.textContent = `${at.toLocaleDateString()} ${clock}`;
}

/** Names and values as a list. */
export function facts(list) {
  return el('dl.facts', {}, ...list.flatMap(([label, value]) => [
    el('dt', {}, label),
    el('dd', {}, value),
  ]));
}
