//! What goes wrong, on order.

use serde_json::Map;
use serde_json::Value;

use super::FakeTelegram;
use super::state::State;
use super::state::chat_of;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error of the server, as the page of a proxy.
    Down(u16),
    /// An error of the server in its own words.
    DownJson(u16, &'static str),
    /// A pause of so many seconds is asked for.
    Pause(u64),
    /// The call has its effect and the answer is lost.
    LoseAnswer,
    /// The call has its effect at once, and the answer comes this much later.
    Late(std::time::Duration),
    /// The connection breaks before the call has an effect; the bot cannot tell the two apart.
    Cut,
    /// The connection is open, and nothing ever comes.
    Wedge,
    /// The group was made a supergroup with this id.
    Migrated(i64),
    /// A refusal with this code and text.
    Refuse(u16, &'static str),
}

/// A fault that was ordered.
#[derive(Debug)]
pub(super) struct Order {
    /// The method, or `*` for each.
    method: String,
    /// Only for this chat.
    chat: Option<i64>,
    fault: Fault,
    left: usize,
}

impl FakeTelegram {
    /// Orders a fault for the next calls of a method; `download` is the fetching of a file, `push`
    /// an update to the webhook, `*` any call but these.
    pub fn order(&self, method: &str, fault: Fault, times: usize) {
        self.order_for(None, method, fault, times);
    }

    /// Orders a fault for the next calls of a method that are about a chat.
    pub fn order_in(&self, chat: i64, method: &str, fault: Fault, times: usize) {
        self.order_for(Some(chat), method, fault, times);
    }

    /// Takes every fault back that has not struck.
    pub fn order_nothing(&self) {
        self.state().orders.clear();
    }

    fn order_for(&self, chat: Option<i64>, method: &str, fault: Fault, left: usize) {
        self.state().orders.push(Order { method: method.into(), chat, fault, left });
    }
}

impl State {
    /// The next fault for a call, if one was ordered.
    pub(super) fn fault(&mut self, method: &str, given: &Map<String, Value>) -> Option<Fault> {
        let chat = chat_of(given);
        let own_world = matches!(method, "download" | "push");
        let order = self.orders.iter_mut().find(|order| {
            let named =
                order.method.eq_ignore_ascii_case(method) || (order.method == "*" && !own_world);
            named && order.left > 0 && order.chat.is_none_or(|only| Some(only) == chat)
        })?;
        order.left -= 1;
        let fault = order.fault.clone();
        self.orders.retain(|order| order.left > 0);
        Some(fault)
    }
}
