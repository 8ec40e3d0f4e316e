//! What goes wrong, on order.

use super::FakeDiscord;
use super::state::State;

/// Something that goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error of the server, as the page of a proxy.
    Down(u16),
    /// A pause of so many milliseconds is asked for, by `user`, `shared` or `global`.
    Pause(u64, &'static str),
    /// The call has its effect and the answer is lost.
    LoseAnswer,
    /// The connection breaks before the call has an effect; the bot cannot tell the two apart.
    Cut,
    /// The answer comes after so many milliseconds.
    Slow(u64),
    /// A refusal with this status, code and text.
    Refuse(u16, u64, &'static str),
}

/// A fault that was ordered.
#[derive(Debug)]
pub(super) struct Order {
    /// A part of method and path, such as `post /channels/{}/messages`.
    what: String,
    fault: Fault,
    left: usize,
}

impl FakeDiscord {
    /// Orders a fault for the next calls of a route, which is written with `{}` for each id.
    pub fn order(&self, route: &str, fault: Fault, times: usize) {
        self.state().orders.push(Order { what: route.to_owned(), fault, left: times });
    }

    /// Takes every fault back that has not struck.
    pub fn order_nothing(&self) {
        self.state().orders.clear();
    }
}

impl State {
    /// The next fault for a call, if one was ordered.
    pub(super) fn fault(&mut self, route: &str) -> Option<Fault> {
        let order =
            self.orders.iter_mut().find(|order| order.left > 0 && route == order.what.as_str())?;
        order.left -= 1;
        let fault = order.fault.clone();
        self.orders.retain(|order| order.left > 0);
        Some(fault)
    }
}
