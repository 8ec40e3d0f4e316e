// The view of one task: its history as a chat, its open questions, its result.

import { approvalCard } from '/approval.js';
import { button, el, facts, reconcile, refusal, say, when } from '/dom.js';
import { get, post } from '/net.js';
import { diffView, resultCard } from '/result.js';

const SPEAKERS = { person: 'You', agent: 'Agent', gatepost: 'Gatepost' };
const PATHS = {
  stop: ['cancel'],
  apply: ['deliver', { how: 'apply' }],
  branch: ['deliver', { how: 'branch' }],
  discard: ['deliver', { how: 'discard' }],
  'run-again': ['retry'],
  resume: ['resume'],
};

/** Shows the task in `place`; gives back how to bring it up to date. */
export async function task(place, id) {
  const title = el('h1', {}, `Task ${id}`);
  const meta = el('p.meta');
  const about = el('details.about', {}, el('summary', {}, 'About this task'));
  const log = el('div.log', { role: 'log', 'aria-label': 'What happened' });
  const result = el('div');
  const problem = el('p.problem', { hidden: true, 'data-testid': 'task-problem' });
  const buttons = el('div.buttons.actions');
  const talk = messageForm(id);
  place.replaceChildren(
    el('p', {}, el('a.back', { href: '#/' }, '‹ All tasks')),
    title, meta, about, log, result, buttons, problem, talk,
  );
  let words = '';

  const press = async (what) => {
    problem.hidden = true;
    const [path, body] = PATHS[what];
    try {
      const answer = await post(`/api/tasks/${id}/${path}`, body);
      if (what === 'run-again') location.hash = `#/t/${answer.id}`;
      else await refresh();
    } catch (error) {
      refusal(problem, error);
      await refresh().catch(() => {});
    }
  };

  async function refresh() {
    const card = await get(`/api/tasks/${id}/card`);
    const atEnd = nearEnd();
    document.title = `${card.words}: ${card.title}`;
    title.textContent = card.title;
    reconcile(meta, [{ key: 'meta', data: [card.words, card.tone], make: () => el('span', {},
      el('span.state', { 'data-tone': card.tone, 'data-testid': 'state' }, card.words),
      ' · ', el('code', {}, card.id), ' · ', when(card.created_at)) }]);
    if (!about.querySelector('dl')) about.append(facts(card.facts.map((f) => [f.label, f.text])));
    reconcile(log, card.entries.map((entry) => (
      { key: `${entry.type}-${entry.key}`, data: entry, make: (data) => MAKERS[data.type](data) })));
    const parts = [];
    if (card.result) parts.push({ key: 'result', data: card.result, make: resultCard });
    if (card.diff.length) parts.push({ key: 'diff', data: card.diff, make: diffView });
    reconcile(result, parts);
    reconcile(buttons, card.buttons.map((one) => ({ key: one.press, data: one, make: () => (
      button(one.label, () => press(one.press), { 'data-testid': one.press, class: one.press })) })));
    talk.hidden = !card.takes_messages;
    if (words && words !== card.words) say('polite', `${card.title}: ${card.words}`);
    words = card.words;
    if (atEnd) follow(card);
  }

  /** Keeps what is new in sight, but only for a reader who is at the end already. */
  function follow(card) {
    const open = [...log.querySelectorAll('[data-testid="approval-card"]')]
      .find((one) => one.querySelector('.answers'));
    const target = open || (card.result ? result : log.lastElementChild);
    if (target && target !== follow.last) {
      follow.last = target;
      target.scrollIntoView({ block: open || card.result ? 'start' : 'end' });
    }
  }

  return refresh;
}

function nearEnd() {
  const view = document.getElementById('view');
  return view.scrollHeight - view.scrollTop - view.clientHeight < 400;
}

const MAKERS = {
  note: ({ speaker, tone, text, at }) => el(`div.note.${speaker}`, { 'data-tone': tone },
    el('span.who', {}, SPEAKERS[speaker]), ' ', el('span.text', {}, text), ' ', when(at)),

  step: ({ tool, action, facts: on, verdict, words, tone, output, denial }) => {
    const element = el('div.step', { 'data-tone': tone, 'data-testid': 'step' },
      el('pre', { tabindex: '0', 'aria-label': `${tool} action` }, action.text),
      el('p.meta', {}, el('span.state', { 'data-tone': tone }, words)));
    if (output) {
      element.append(el('details', { open: output.length < 2000 },
        el('summary', {}, 'Output'), el('pre.output', { tabindex: '0' }, output)));
    }
    const more = [...on.map((fact) => [fact.label, fact.text]), ['Gate', verdict]];
    for (const note of action.notes) element.append(el('p.caution', {}, note));
    element.append(el('details', {}, el('summary', {}, 'Details'), facts(more)));
    if (denial) element.append(afterAll(denial));
    return element;
  },

  approval: ({ card }) => approvalCard(card, false),
};

/** The button that lets what the gate refused run after all, once. */
function afterAll({ id, button: { label } }) {
  const problem = el('p.problem', { hidden: true });
  const form = el('div.answers', {});
  const allow = button(label, async () => {
    problem.hidden = true;
    try {
      const { receipt } = await post(`/api/approvals/${id}`, { decision: 'approve' });
      form.replaceWith(el('p.receipt', { 'data-testid': 'receipt' }, el('strong', {}, receipt)));
      say('polite', receipt);
    } catch (error) {
      refusal(problem, error);
    }
  }, { 'data-testid': 'after-all' });
  form.append(el('div.buttons', {}, allow), problem);
  return form;
}

function messageForm(id) {
  const text = el('textarea', { id: 'message-text', rows: '2', 'data-testid': 'message-text' });
  const problem = el('p.problem', { hidden: true });
  const form = el('form.card.talk', { 'aria-label': 'Message', hidden: true },
    el('label', { for: text.id }, 'Tell the agent more'), text,
    el('button', { type: 'submit', 'data-testid': 'message-send' }, 'Send'), problem);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      await post(`/api/tasks/${id}/message`, { text: text.value });
      text.value = '';
    } catch (error) {
      refusal(problem, error);
    }
  });
  return form;
}
