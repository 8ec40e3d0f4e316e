//! Whose turn it is, over made-up boards.
