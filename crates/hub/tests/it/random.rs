//! Random lives over random ends and starts.
