//! Failures that a bot must survive, by number, each with the real binary against a strict server.
//!
//! The list is that of 47 failures that other bots were seen to have; 13 to 15 and 37 to 39 are
//! Discord's. A test whose name begins with `failure_NN_` shows that number; [`ELSEWHERE`] names
//! the tests of other files that do. A number with neither fails
//! [`every_number_has_a_test_or_a_reason`].
//!
//! | number | what goes wrong |
//! |---|---|
//! | 1–4 | a conflict after a restart, two pollers, a dead poll, health that lies |
//! | 5–8 | messages while down, redelivery, renumbered updates, more than a day down |
//! | 9–12 | a busy agent, a full queue, albums, edits of what was sent |
//! | 16–20 | migrated groups, dead topics, presses in forums, mixed-up chats, privacy mode |
//! | 21–27 | wrong person, old button, free text, two presses, late press, restart, dead run |
//! | 28–31 | long commands, hostile characters, changed scripts, grants too wide |
//! | 32–36 | several questions, twins, writing meanwhile, noise, queries too old |
//! | 40–43 | pauses, unchanged and unparsed messages, long texts, drafts |
//! | 44–47 | noise, secrets, orphaned cards, large files |

mod approvals;
mod inbound;
mod outbound;
