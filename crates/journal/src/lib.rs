//! The append-only, hash-chained record of every event, and the sled views rebuilt from it.
