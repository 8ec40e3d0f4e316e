//! The local web chat and task view, and the same as JSON for scripts.
