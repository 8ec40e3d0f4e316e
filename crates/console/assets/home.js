// The first view: hand over a task, answer what waits, see all tasks.

import { answered, approvalCard } from '/approval.js';
import { el, reconcile, refusal, when } from '/dom.js';
import { get, post } from '/net.js';

const DRAFT = 'gatepost-draft';

/** Shows the view in `place`; gives back how to bring it up to date. */
export async function home(place) {
  const waiting = el('div');
  const waitingPart = el('section', { 'aria-label': 'Waits for you', hidden: true },
    el('h2', {}, 'Waits for you'), waiting);
  const tasks = el('ul.tasks');
  const tasksPart = el('section', { 'aria-label': 'Tasks' }, el('h2', {}, 'Tasks'), tasks);
  const none = el('p.quiet', {}, 'Nothing yet. What you hand over appears here.');
  const older = el('p.quiet', { hidden: true });
  tasksPart.append(none, older);
  place.replaceChildren(el('h1.unseen', {}, 'Tasks'), composer(), waitingPart, tasksPart);
  document.title = 'Gatepost';

  return async function refresh() {
    const cards = await get('/api/cards');
    const open = cards.approvals.filter((card) => !answered.has(card.id));
    // Only what was answered in this very view is on the screen to be kept.
    const done = [...answered.values()].filter((card) => (
      [...waiting.children].some((child) => child.dataset.key === card.id)));
    reconcile(waiting, [...done, ...open].map((card) => (
      { key: card.id, data: card, make: (data) => approvalCard(data, true) })));
    waitingPart.hidden = waiting.children.length === 0;
    reconcile(tasks, cards.tasks.map((task) => ({ key: task.id, data: task, make: taskLine })));
    none.hidden = cards.tasks.length > 0;
    older.hidden = cards.older === 0;
    older.textContent = `${cards.older} older tasks are in the journal: gatepost audit show`;
  };
}

function taskLine(task) {
  return el('li', {}, el('a.card.task', {
    href: `#/t/${task.id}`, 'data-testid': 'task-card', 'data-id': task.id, 'data-tone': task.tone,
  },
  el('span.title', {}, task.title),
  el('span.meta', {},
    el('span.state', { 'data-tone': task.tone }, task.words), ' · ', task.project, ' · ',
    el('code', {}, task.id), ' · ', when(task.created_at))));
}

function composer() {
  const text = el('textarea', {
    id: 'composer-text', 'data-testid': 'composer-text', rows: '4',
    'aria-describedby': 'composer-help', autocomplete: 'off', spellcheck: 'false',
  });
  const project = el('select', { id: 'composer-project', 'data-testid': 'composer-project' });
  const mode = el('select', { id: 'composer-mode', 'data-testid': 'composer-mode' },
    el('option', { value: '' }, 'as configured'));
  const agent = el('select', { id: 'composer-agent', 'data-testid': 'composer-agent' },
    el('option', { value: '' }, 'as configured'));
  const agents = el('ul', { 'data-testid': 'agents' });
  const problem = el('p.problem', { hidden: true, 'data-testid': 'composer-problem' });
  const send = el('button.primary', { type: 'submit', 'data-testid': 'composer-send' }, 'Hand over');
  const form = el('form.card.composer', { 'aria-label': 'New task' },
    el('label', { for: text.id }, 'What should be done?'), text,
    el('p.quiet', { id: 'composer-help' },
      'Commands go on lines that start with “$ ”. Ctrl+Enter hands over.'),
    el('div.choices', {},
      el('span', {}, el('label', { for: project.id }, 'Project'), project),
      el('span', {}, el('label', { for: agent.id }, 'Agent'), agent),
      el('span', {}, el('label', { for: mode.id }, 'Mode'), mode)),
    send, problem, el('details', {}, el('summary', {}, 'Agents'), agents));

  // A reload or a lost connection must not cost what was typed.
  text.value = sessionStorage.getItem(DRAFT) || '';
  text.addEventListener('input', () => sessionStorage.setItem(DRAFT, text.value));
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  let busy = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    problem.hidden = true;
    const body = { text: text.value };
    if (project.value) body.project = project.value;
    if (agent.value) body.agent = agent.value;
    if (mode.value) body.mode = mode.value;
    try {
      const { id } = await post('/api/tasks', body);
      sessionStorage.removeItem(DRAFT);
      location.hash = `#/t/${id}`;
    } catch (error) {
      refusal(problem, error);
      text.focus();
    } finally {
      busy = false;
    }
  });
  get('/api/choices').then((choices) => {
    for (const name of choices.projects) {
      project.append(el('option', { value: name }, name));
    }
    for (const { name, about } of choices.modes) {
      mode.append(el('option', { value: name }, `${name}: ${about}`));
    }
  }, (error) => refusal(problem, error));
  get('/api/agents').then((lines) => {
    for (const { name, default: first, state, about } of lines) {
      agents.append(el('li', {}, el('code', {}, name), first ? ' (default)' : '', ': ',
        el('strong', {}, state), `; ${about}`));
      // What is set up later is taken without a reload: the refusal says what is still missing.
      if (state !== 'not set up') {
        agent.append(el('option', { value: name }, state === 'ready' ? name : `${name} (${state})`));
      }
    }
  }, (error) => refusal(problem, error));
  return form;
}
