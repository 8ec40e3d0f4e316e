// The card of a question: the whole action, why it is asked, the answers, and what came of one.

import { button, el, facts, refusal, say, when } from '/dom.js';
import { post } from '/net.js';
import { diffLines } from '/result.js';

const DECISIONS = {
  'approve-once': 'approve',
  'approve-for-task': 'approve-for-task',
  edit: 'approve-edited',
  deny: 'deny',
};

/** What the server said to answers from this page, by question. */
const receipts = new Map();

/** The cards answered from this page, so that they stay readable where only open ones are listed. */
export const answered = new Map();

/** A question's card. `withTask` adds the way to its task. */
export function approvalCard(card, withTask) {
  const heading = el('h3', { id: `ask-${card.id}` }, card.title);
  const element = el('article.card.approval', {
    'data-testid': 'approval-card',
    'data-id': card.id,
    'data-tone': card.settled ? card.settled.tone : 'ask',
    'aria-labelledby': heading.id,
  }, heading);
  element.append(el('pre', { tabindex: '0', 'aria-label': 'The whole action' }, card.action.text));
  if (card.diff.length) element.append(diffLines(card.diff, 'proposed'));
  for (const note of card.action.notes) element.append(el('p.caution', {}, note));
  const rows = [
    ['Why', card.reason],
    ...(card.effect ? [['What happens', card.effect]] : []),
    ['Rule', card.rule],
    ...card.facts.map((fact) => [fact.label, fact.text]),
    ...card.evidence.map((fact) => [fact.label, fact.text]),
  ];
  if (!card.settled) rows.push(['Denied by itself', when(card.expires_at)]);
  if (withTask) rows.push(['Task', el('a', { href: `#/t/${card.task}` }, card.task)]);
  element.append(facts(rows));
  element.append(card.settled ? settled(card) : answers(card, element));
  return element;
}

function settled({ id, settled: { words, at } }) {
  return el('p.receipt', { 'data-testid': 'receipt' },
    el('strong', {}, receipts.get(id) || words), ' · ', when(at));
}

function answers(card, element) {
  const problem = el('p.problem', { hidden: true });
  const words = el('textarea', { id: `why-${card.id}`, rows: '2', 'data-testid': 'deny-reason' });
  const why = el('div.why', { hidden: true },
    el('label', { for: words.id }, 'What the agent should know'), words);

  const text = el('textarea', {
    id: `edit-${card.id}`, rows: '4', spellcheck: 'false', 'data-testid': 'edit-text',
  });
  text.value = card.editable || '';
  const edit = el('div.why', { hidden: true },
    el('label', { for: text.id }, 'What runs instead'), text);

  const answer = async (press) => {
    problem.hidden = true;
    const body = { decision: DECISIONS[press] };
    const reason = words.value.trim();
    if (press === 'deny' && !why.hidden && reason) body.reason = reason;
    if (press === 'edit') body.edited = text.value;
    try {
      const { receipt } = await post(`/api/approvals/${card.id}`, body);
      close(receipt);
    } catch (error) {
      // Settled before: the card says how, and has no buttons any more.
      if (error.status === 409) close(error.message);
      else refusal(problem, error);
    }
  };
  const close = (receipt) => {
    receipts.set(card.id, receipt);
    answered.set(card.id, card);
    const line = el('p.receipt', { 'data-testid': 'receipt', tabindex: '-1' },
      el('strong', {}, receipt));
    const focused = form.contains(document.activeElement);
    form.replaceWith(line);
    if (focused) line.focus({ preventScroll: true });
    element.dataset.tone = 'quiet';
    say('polite', receipt);
  };
  const reveal = async () => {
    // From here on there is one way to deny, and its words say that the reason goes with it.
    why.hidden = false;
    deny.textContent = toggle.textContent;
    deny.classList.add('wide');
    toggle.hidden = true;
    words.focus();
  };
  const change = async () => {
    // From here on the one way to approve is what stands in the box.
    if (!edit.hidden) return answer('edit');
    edit.hidden = false;
    for (const other of buttons) other.hidden = other.dataset.testid.startsWith('approve');
    text.focus();
    text.select();
    return undefined;
  };
  let toggle;
  let deny;
  const buttons = card.buttons.map(({ press, label }) => {
    if (press === 'deny-with-reason') {
      toggle = button(label, reveal, { 'data-testid': press });
      return toggle;
    }
    if (press === 'edit') return button(label, change, { 'data-testid': press, class: 'wide' });
    const one = button(label, () => answer(press), { 'data-testid': press, class: press });
    if (press === 'deny') deny = one;
    return one;
  });
  const form = el('div.answers', {}, edit, why, el('div.buttons', {}, ...buttons), problem);
  return form;
}
