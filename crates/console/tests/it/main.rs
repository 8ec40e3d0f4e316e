//! Tests of the console against a hub in memory, over real sockets.

mod access;
mod api;
mod fake;
mod live;
mod page;
mod world;
