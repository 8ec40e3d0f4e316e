// What a task came to: outcome, summary and diff.

import { el, when } from '/dom.js';

const SIGNS = { added: '+', removed: '-', same: ' ', place: '', file: '' };
const TAGS = { added: 'ins', removed: 'del' };

/** The outcome and the summary. */
export function resultCard(result) {
  const element = el('section.card.result', { 'data-tone': result.tone, 'aria-label': 'Result' },
    el('h2', {}, el('span.outcome', { 'data-testid': 'outcome' }, result.outcome)));
  const summary = el('div', { 'data-testid': 'summary' },
    el('p.reason', {}, result.reason),
    el('ul.short', {}, ...result.short.map((line) => el('li', {}, line))));
  for (const section of result.sections) {
    summary.append(el('details', { open: section.title !== 'Sandbox' },
      el('summary', {}, section.title, el('span.count', {}, ` ${section.rows.length}`)),
      el('ul.rows', {}, ...section.rows.map(row))));
  }
  element.append(summary);
  if (result.delivery) {
    const [words, tone] = result.delivery;
    element.append(el('p.delivery', { 'data-tone': tone, 'data-testid': 'delivery' },
      el('strong', {}, words)));
  }
  return element;
}

function row({ text, note, tone, at }) {
  const said = el('span.note', { 'data-tone': tone }, note);
  if (at) said.append(' ', when(at));
  return el('li', {}, el('code', {}, text), ' ', said);
}

/** The diff. Signs as well as colours tell the lines apart, and elements that a reader names. */
export function diffView(lines) {
  return el('section.card', { 'aria-label': 'Changes' },
    el('h2', {}, 'Changes'), diffLines(lines, 'diff'));
}

/** Only its lines. */
export function diffLines(lines, id) {
  return el('div.diff', { 'data-testid': id, tabindex: '0', role: 'group', 'aria-label': 'Diff' },
    ...lines.map(diffLine));
}

function diffLine({ sign, text }) {
  return el(`${TAGS[sign] || 'div'}.line.${sign}`, {}, `${SIGNS[sign]}${text}`);
}
