// Puts the views together: which one is shown, and when it is brought up to date.

import { el, refusal, say, tellTimes } from '/dom.js';
import { home } from '/home.js';
import { follow, get } from '/net.js';
import { task } from '/task.js';

const KINDS = [
  'task-received', 'task-queued', 'run-started', 'run-ready', 'agent-reported',
  'message-received', 'verdict', 'approval-requested', 'approval-decided', 'action-started',
  'action-finished', 'action-refused', 'cancel-requested', 'run-suspended', 'run-ended',
  'changes-collected', 'task-finished', 'result-flagged', 'denial-cleared', 'delivery-requested', 'delivery-finished',
];

/** Records come in bursts; one look after a burst is enough. */
const PAUSE = 80;

const view = document.getElementById('view');
const offline = document.getElementById('offline');
const waiting = document.getElementById('waiting');

let shown = { task: null, refresh: async () => {} };
let timer = null;
let wanted = 0;

async function open() {
  const turn = ++wanted;
  const [, id] = location.hash.match(/^#\/t\/([0-9a-z]+)$/i) || [];
  const refresh = id ? await task(view, id) : await home(view);
  if (turn !== wanted) return;
  shown = { task: id || null, refresh };
  view.scrollTop = 0;
  await update();
}

let streaming = true;
let looking = false;
let again = false;

/** One look at a time, so that an older answer never covers a newer one. */
async function update() {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  do {
    again = false;
    await look();
  } while (again);
  looking = false;
}

async function look() {
  const { refresh } = shown;
  try {
    await refresh();
    await count();
    offline.hidden = streaming;
  } catch (error) {
    if (refresh !== shown.refresh) return;
    if (error.status === 404 && shown.task) {
      view.replaceChildren(
        el('h1', {}, 'No such task'),
        el('p', {}, error.message),
        el('p', {}, el('a.back', { href: '#/' }, '‹ All tasks')),
      );
    } else if (error.status === 401) {
      const place = el('p.problem', {});
      view.replaceChildren(el('h1', {}, 'Locked'), place);
      refusal(place, error);
    } else if (error.status !== undefined) {
      // The next record or the next connection brings the next look.
      offline.hidden = false;
    } else {
      throw error;
    }
  }
}

/** How many questions wait, in the bar, wherever one is. */
async function count() {
  const open = await get('/api/approvals');
  const text = open.length === 1 ? '1 waits for you' : `${open.length} wait for you`;
  waiting.hidden = open.length === 0;
  // On the task that asks, the link leads to nothing new.
  if (open.length === 1) waiting.href = `#/t/${open[0].task}`;
  else waiting.href = '#/';
  if (waiting.textContent !== text) waiting.textContent = text;
}

function soon() {
  if (timer === null) {
    timer = setTimeout(() => {
      timer = null;
      update();
    }, PAUSE);
  }
}

follow(KINDS, (record) => {
  if (record.kind === 'approval-requested') {
    say('assertive', `Task ${record.task} needs your approval: ${record.approval.judgement.reason}`);
  }
  if (!shown.task || record.task === shown.task || record.kind.startsWith('approval-')) soon();
}, (connected) => {
  streaming = connected;
  offline.hidden = connected;
  if (connected) soon();
});

// A phone freezes pages out of sight; what it shows when it comes back must be true.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) soon();
});

addEventListener('hashchange', async () => {
  await open();
  view.focus({ preventScroll: true });
});
setInterval(tellTimes, 20000);
open();
