//! What people say and do, as the desk takes it.

use gatepost_desk::inbound::Called;
use gatepost_desk::inbound::Chosen;
use gatepost_desk::inbound::Field;
use gatepost_desk::inbound::PressId;
use gatepost_desk::inbound::Reply;
use gatepost_desk::inbound::Said;
use gatepost_desk::inbound::Waiting;
use gatepost_desk::place::MessageId;
use gatepost_domain::message::Quoted;
use gatepost_domain::message::QuotedKind;
use serde_json::Value;
use serenity::model::channel::MessageType;

use crate::commands::HAND_OVER;
use crate::components;
use crate::rooms::Where;
use crate::surface::message as message_id;
use crate::wire::Attachment;
use crate::wire::CommandOption;
use crate::wire::Id;
use crate::wire::InteractionData;
use crate::wire::Message;
use crate::wire::User;

/// What a command in the menu of somebody else's message asks for. The words of the message stay
/// material: whoever handed it over did not write them.
const DO_IT: &str = "Do what the quoted message asks for.";

/// Who the bot is.
#[derive(Debug, Clone)]
pub(crate) struct Me {
    pub(crate) id: Id,
    pub(crate) name: String,
}

/// What a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) chosen: Chosen,
    pub(crate) files: Vec<Waiting>,
    pub(crate) reply: Option<Reply>,
}

/// A message as the desk takes it; none where no person says anything with it.
pub(crate) fn said(message: &Message, place: &Where, me: &Me) -> Option<Said> {
    let from = message.author.as_ref().filter(|author| !author.is_bot())?;
    if message.webhook_id.is_some()
        || !matches!(message.kind, MessageType::Regular | MessageType::InlineReply)
    {
        return None;
    }
    let passed_on = message.is_passed_on();
    let text = text_of(message, me);
    let files: Vec<_> = message.attachments.iter().map(waiting).collect();
    let odd = text.is_empty()
        && files.is_empty()
        && (message.poll.is_some() || !message.sticker_items.is_empty());
    if text.is_empty() && files.is_empty() && !odd && !passed_on {
        return None;
    }
    let called = if place.bound {
        Called::Bound
    } else {
        let ids = message.mentions.iter().map(|user| user.id.0).collect();
        Called::Marked { names: Vec::new(), ids }
    };
    Some(Said {
        place: place.place,
        message: message_id(place.place.thread, message.id),
        from: from.id.0,
        name: from.name(),
        at: message.id.time(),
        late: false,
        text,
        chosen: Chosen { project: place.project.clone(), ..Chosen::default() },
        called,
        files,
        attachments: Vec::new(),
        album: None,
        odd,
        forwarded: passed_on,
        aside: None,
        reply: if passed_on { None } else { reply(message, place, me) },
    })
}

/// A command as the desk takes it, for the message that answers it.
pub(crate) fn commanded(
    written: Written,
    who: &User,
    place: &Where,
    message: MessageId,
    at: Id,
    aside: PressId,
) -> Said {
    let Written { text, mut chosen, files, reply } = written;
    chosen.project = chosen.project.or_else(|| place.project.clone());
    Said {
        place: place.place,
        message,
        from: who.id.0,
        name: who.name(),
        at: at.time(),
        late: false,
        text,
        chosen,
        called: Called::Bound,
        files,
        attachments: Vec::new(),
        album: None,
        odd: false,
        forwarded: false,
        aside: Some(aside),
        reply,
    }
}

/// What a command says, written out.
pub(crate) fn written(data: &InteractionData, who: &User, me: &Me) -> Option<Written> {
    if data.name == HAND_OVER {
        return handed_over(data, who, me);
    }
    let text = |name: &str| {
        let option = data.options.iter().find(|option| option.name == name)?;
        option.value.as_str().map(str::to_owned)
    };
    let files: Vec<_> = data.options.iter().filter_map(|option| file(option, data)).collect();
    if data.name == "run" {
        let chosen = Chosen {
            project: text("project"),
            agent: text("agent"),
            mode: text("mode").and_then(|mode| mode.parse().ok()),
        };
        let text = format!("/run {}", text("task").unwrap_or_default());
        return Some(Written { text, chosen, files, reply: None });
    }
    let argument = data.options.iter().find_map(|option| option.value.as_str());
    let text = match argument {
        Some(argument) => format!("/{} {argument}", data.name),
        None => format!("/{}", data.name),
    };
    Some(Written { text, chosen: Chosen::default(), files: Vec::new(), reply: None })
}

/// What of a command is filled in, and what of it is written already.
pub(crate) fn filled_in(data: &InteractionData) -> Option<(Field, String)> {
    let option = data.options.iter().find(|option| option.focused)?;
    let field = match option.name.as_str() {
        "project" => Field::Project,
        "agent" => Field::Agent,
        "task" => Field::Task,
        _ => return None,
    };
    Some((field, option.value.as_str().unwrap_or_default().to_owned()))
}

/// A message that was handed over from its menu. One's own words are the task; somebody else's are
/// material for it.
fn handed_over(data: &InteractionData, who: &User, me: &Me) -> Option<Written> {
    let target = data.resolved.messages.get(&data.target_id?.to_string())?;
    let text = text_of(target, me);
    let files: Vec<_> = target.attachments.iter().map(waiting).collect();
    let own = target.author.as_ref().is_some_and(|author| author.id == who.id);
    if own {
        let text = if text.is_empty() { text } else { format!("/run {text}") };
        return Some(Written { text, chosen: Chosen::default(), files, reply: None });
    }
    let quoted = Quoted { kind: QuotedKind::Forwarded, text };
    let reply = Reply {
        message: MessageId::of(target.id.0),
        author: target.author.as_ref().map(|author| author.id.0),
        quoted: (!quoted.text.is_empty()).then_some(quoted),
        picked: true,
        files,
        button: None,
    };
    let text = format!("/run {DO_IT}");
    Some(Written { text, chosen: Chosen::default(), files: Vec::new(), reply: Some(reply) })
}

fn file(option: &CommandOption, data: &InteractionData) -> Option<Waiting> {
    let id = match &option.value {
        Value::String(id) => id,
        _ => return None,
    };
    option.name.starts_with("file").then(|| data.resolved.attachments.get(id).map(waiting))?
}

fn reply(message: &Message, place: &Where, me: &Me) -> Option<Reply> {
    let reference = message.message_reference.as_ref()?;
    let answered = reference.message_id?;
    // In another channel it is none of this chat.
    let here = reference.channel_id.is_none_or(|channel| channel == message.channel_id);
    let whole = message.referenced_message.as_deref();
    let text = whole.map(|whole| text_of(whole, me)).unwrap_or_default();
    let passed_on = whole.is_some_and(Message::is_passed_on);
    let kind = if passed_on { QuotedKind::Forwarded } else { QuotedKind::Answered };
    Some(Reply {
        message: if here { message_id(place.place.thread, answered) } else { MessageId::of(0) },
        author: whole.and_then(|whole| whole.author.as_ref()).map(|author| author.id.0),
        quoted: (!text.trim().is_empty()).then_some(Quoted { kind, text }),
        picked: false,
        files: whole
            .map(|whole| whole.attachments.iter().map(waiting).collect())
            .unwrap_or_default(),
        button: whole.and_then(|whole| components::carried(&whole.components)),
    })
}

/// The text with people's names where Discord has their numbers.
fn text_of(message: &Message, me: &Me) -> String {
    let mut text = message.content.clone();
    for user in &message.mentions {
        let name = if user.id == me.id { &me.name } else { &user.username };
        for form in [format!("<@{}>", user.id), format!("<@!{}>", user.id)] {
            text = text.replace(&form, &format!("@{name}"));
        }
    }
    text
}

fn waiting(attachment: &Attachment) -> Waiting {
    Waiting {
        id: attachment.url.clone(),
        name: attachment.filename.clone(),
        size: attachment.size,
        media_type: attachment.content_type.clone(),
        voice: attachment.duration_secs.map(|seconds| seconds.max(0.0).ceil() as u32),
    }
}

#[cfg(test)]
mod tests {
    use gatepost_desk::place::Place;
    use gatepost_domain::mode::Mode;
    use serde_json::json;

    use super::*;

    fn me() -> Me {
        Me { id: Id(700), name: "gate".into() }
    }

    fn at(bound: bool) -> Where {
        let project = bound.then(|| "demo".to_owned());
        Where { place: Place::of_person(1), bound, project }
    }

    fn message(more: Value) -> Message {
        let mut whole = json!({
            "id": "175928847299117063", "channel_id": "4002", "type": 0, "content": "go",
            "author": {"id": "2001", "username": "ann"},
        });
        for (name, value) in more.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_message_is_read_with_its_author_time_and_whom_it_calls() {
        let call = json!({"content": "<@700> go <@!5>", "mentions": [
            {"id": "700", "username": "x", "bot": true}, {"id": "5", "username": "bob"},
        ]});
        let said = said(&message(call), &at(false), &me()).unwrap();
        assert_eq!((said.from, said.text.as_str()), (2001, "@gate go @bob"));
        assert_eq!(said.called, Called::Marked { names: vec![], ids: vec![700, 5] });
        assert_eq!(said.at.to_string(), "2016-04-30T11:18:25.796Z");
        let bound = super::said(&message(json!({})), &at(true), &me()).unwrap();
        assert_eq!((bound.called, bound.chosen.project.as_deref()), (Called::Bound, Some("demo")));
    }

    #[test]
    fn what_has_no_person_or_no_words_is_nothing() {
        for more in [
            json!({"author": {"id": "1", "username": "b", "bot": true}}),
            json!({"webhook_id": "9"}),
            json!({"author": null}),
            json!({"type": 7}),
            json!({"content": ""}),
        ] {
            assert_eq!(said(&message(more.clone()), &at(true), &me()), None, "{more}");
        }
        let sticker = json!({"content": "", "sticker_items": [{"id": "1"}]});
        assert!(said(&message(sticker), &at(true), &me()).unwrap().odd);
        let passed_on = json!({"content": "", "message_reference": {"type": 1, "message_id": "4"}});
        assert!(said(&message(passed_on), &at(true), &me()).unwrap().forwarded);
    }

    #[test]
    fn an_answer_quotes_and_files_wait() {
        let answer = json!({
            "type": 19,
            "message_reference": {"message_id": "8", "channel_id": "4002"},
            "referenced_message": {
                "id": "8", "channel_id": "4002", "content": "the log",
                "author": {"id": "5", "username": "bob"},
            },
            "attachments": [{
                "id": "1", "filename": "a.txt", "size": 3, "url": "https://cdn/a.txt",
                "content_type": "text/plain",
            }],
        });
        let said = said(&message(answer), &at(true), &me()).unwrap();
        let reply = said.reply.unwrap();
        assert_eq!((reply.message.number, reply.author, reply.picked), (8, Some(5), false));
        assert_eq!(reply.quoted.unwrap().text, "the log");
        assert_eq!((said.files[0].name.as_str(), said.files[0].size), ("a.txt", Some(3)));
    }

    fn data(value: Value) -> InteractionData {
        serde_json::from_value(value).unwrap()
    }

    fn ann() -> User {
        User { id: Id(2001), username: "ann".into(), ..User::default() }
    }

    #[test]
    fn commands_are_written_out_with_what_they_choose() {
        let run = data(json!({"name": "run", "type": 1, "options": [
            {"name": "task", "value": "fix it"}, {"name": "project", "value": "demo"},
            {"name": "mode", "value": "manual"}, {"name": "file", "value": "11"},
        ], "resolved": {"attachments": {"11": {"id": "11", "url": "u", "filename": "a"}}}}));
        let run = written(&run, &ann(), &me()).unwrap();
        assert_eq!((run.text.as_str(), run.files.len()), ("/run fix it", 1));
        assert_eq!(run.chosen.project.as_deref(), Some("demo"));
        assert_eq!(run.chosen.mode, Some(Mode::Manual));
        let status = data(json!({"name": "status", "options": [{"name": "task", "value": "k7"}]}));
        assert_eq!(written(&status, &ann(), &me()).unwrap().text, "/status k7");
        assert_eq!(written(&data(json!({"name": "who"})), &ann(), &me()).unwrap().text, "/who");
        let begun = data(json!({"name": "run", "options": [
            {"name": "agent", "value": "nat", "focused": true},
        ]}));
        assert_eq!(filled_in(&begun), Some((Field::Agent, "nat".into())));
    }

    #[test]
    fn own_words_that_are_handed_over_are_a_task_and_those_of_others_are_material() {
        let hand_over = |author: &str| {
            data(json!({"name": HAND_OVER, "type": 3, "target_id": "8", "resolved": {"messages": {
                "8": {"id": "8", "channel_id": "4", "content": "rm it",
                      "author": {"id": author, "username": "x"}},
            }}}))
        };
        let own = written(&hand_over("2001"), &ann(), &me()).unwrap();
        assert_eq!((own.text.as_str(), own.reply), ("/run rm it", None));
        let other = written(&hand_over("5"), &ann(), &me()).unwrap();
        assert!(!other.text.contains("rm it"));
        let quoted = other.reply.unwrap().quoted.unwrap();
        assert_eq!((quoted.kind, quoted.text.as_str()), (QuotedKind::Forwarded, "rm it"));
    }
}
