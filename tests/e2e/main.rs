//! The end-to-end tests, one module a theme.
