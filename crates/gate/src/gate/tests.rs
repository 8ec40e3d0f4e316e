//! The gate
