//! What can be pressed, as Discord takes it, and the forms behind it.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use gatepost_desk::surface::Form;
use gatepost_desk::surface::Key;
use gatepost_desk::surface::Look;
use gatepost_desk::surface::Row;
use gatepost_desk::surface::Under;
use serde_json::Value;
use serenity::builder::CreateActionRow;
use serenity::builder::CreateButton;
use serenity::builder::CreateInputText;
use serenity::builder::CreateModal;
use serenity::builder::CreateSelectMenu;
use serenity::builder::CreateSelectMenuKind;
use serenity::builder::CreateSelectMenuOption;
use serenity::model::application::ButtonStyle;
use serenity::model::application::InputTextStyle;

/// Rows of a message, and buttons of a row
/// (<https://discord.com/developers/docs/components/reference#action-row>).
const ROWS: usize = 5;
const BUTTONS: usize = 5;

/// Entries of a menu (<https://discord.com/developers/docs/components/reference#string-select>).
const OPTIONS: usize = 25;

/// Characters of a button's label, an entry's label and what a menu asks.
const LABEL: usize = 80;
const OPTION: usize = 100;
const HINT: usize = 150;

/// Characters of a form's title and of a field's label, and of what is written into it
/// (<https://discord.com/developers/docs/components/reference#text-input>).
const TITLE: usize = 45;
const FIELD: u16 = 4000;

/// Marks a button, or an entry of a menu, whose press opens a form first.
const WITH_FORM: &str = "form:";

/// Marks a menu, whose own name says nothing.
const MENU: &str = "menu:";

/// How many forms are remembered. A button whose form is forgotten opens one without its words.
const KEPT: usize = 2000;

/// What the field of a form is called.
const ANSWER: &str = "words";

/// The forms behind buttons that were sent.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    known: BTreeMap<String, Form>,
    order: VecDeque<String>,
}

/// What a press means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meant {
    /// It counts at once.
    Press(String),
    /// A form is to be opened first.
    Form(String),
    /// Nothing that was sent from here.
    Nothing,
}

impl Forms {
    /// What is under a message, as Discord takes it; its forms are remembered.
    pub(crate) fn under(&mut self, under: &Under) -> Vec<CreateActionRow> {
        match under {
            Under::Nothing | Under::Reply => Vec::new(),
            Under::Rows(rows) => rows.iter().flat_map(|row| self.row(row)).take(ROWS).collect(),
        }
    }

    /// A form to open, for a button that was sent with one.
    pub(crate) fn form(&self, data: &str) -> CreateModal {
        let known = self.known.get(data);
        let (title, field, text) = match known {
            Some(Form { title, field, text }) => (title.as_str(), field.as_str(), text.as_str()),
            None => ("Your words", "What should be said", ""),
        };
        let input = CreateInputText::new(InputTextStyle::Paragraph, cut(field, TITLE), ANSWER)
            .min_length(1)
            .max_length(FIELD);
        let fits = !text.is_empty() && text.chars().count() <= usize::from(FIELD);
        let input = if fits { input.value(text) } else { input };
        CreateModal::new(data, cut(title, TITLE))
            .components(vec![CreateActionRow::InputText(input)])
    }

    fn row(&mut self, row: &Row) -> Vec<CreateActionRow> {
        match row {
            Row::Keys(keys) => keys
                .chunks(BUTTONS)
                .map(|keys| {
                    CreateActionRow::Buttons(keys.iter().map(|key| self.button(key)).collect())
                })
                .collect(),
            Row::Pick { hint, keys } => {
                let Some(first) = keys.first() else { return Vec::new() };
                let options = keys
                    .iter()
                    .take(OPTIONS)
                    .map(|key| CreateSelectMenuOption::new(cut(&key.label, OPTION), self.id(key)))
                    .collect();
                let name = format!("{MENU}{}", first.data);
                let menu = CreateSelectMenu::new(name, CreateSelectMenuKind::String { options })
                    .placeholder(cut(hint, HINT))
                    .min_values(1)
                    .max_values(1);
                vec![CreateActionRow::SelectMenu(menu)]
            }
        }
    }

    fn button(&mut self, key: &Key) -> CreateButton {
        let style = match key.look {
            Look::Plain => ButtonStyle::Secondary,
            Look::Good => ButtonStyle::Success,
            Look::Bad => ButtonStyle::Danger,
        };
        CreateButton::new(self.id(key)).style(style).label(cut(&key.label, LABEL))
    }

    fn id(&mut self, key: &Key) -> String {
        let Some(form) = &key.form else { return key.data.clone() };
        if self.known.insert(key.data.clone(), form.clone()).is_none() {
            self.order.push_back(key.data.clone());
        }
        while self.order.len() > KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        format!("{WITH_FORM}{}", key.data)
    }
}

/// What a press on a button or in a menu means.
pub(crate) fn meant(custom_id: &str, values: &[String]) -> Meant {
    let id = match (custom_id.strip_prefix(MENU), values) {
        (Some(_), [picked]) => picked,
        (Some(_), _) => return Meant::Nothing,
        (None, _) => custom_id,
    };
    match id.strip_prefix(WITH_FORM) {
        Some(data) => Meant::Form(data.to_owned()),
        None => Meant::Press(id.to_owned()),
    }
}

/// What the first button under a message carries; none where there is none, or a menu comes first.
pub(crate) fn carried(components: &[Value]) -> Option<String> {
    let row = components.first()?.get("components")?.as_array()?;
    let name = row.first()?.get("custom_id")?.as_str()?;
    match meant(name, &[]) {
        Meant::Press(data) | Meant::Form(data) => Some(data),
        Meant::Nothing => None,
    }
}

/// What was written into a form. Fields stand in rows, or in labels.
pub(crate) fn written(components: &[Value]) -> Option<String> {
    components.iter().find_map(|row| {
        let inner = row.get("components").and_then(Value::as_array);
        let fields = inner.into_iter().flatten().chain(row.get("component"));
        fields
            .filter(|field| field.get("custom_id").and_then(Value::as_str) == Some(ANSWER))
            .find_map(|field| field.get("value").and_then(Value::as_str))
            .map(str::to_owned)
    })
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let short: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{short}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wire(sent: impl serde::Serialize) -> Value {
        serde_json::to_value(sent).unwrap()
    }

    fn key(label: &str, data: &str, form: Option<Form>) -> Key {
        Key { label: label.into(), data: data.into(), look: Look::Good, form }
    }

    #[test]
    fn what_was_sent_is_what_a_press_means() {
        let mut forms = Forms::default();
        let form = Form { title: "Deny".into(), field: "Why".into(), text: "because".into() };
        let keys = vec![key("Approve once", "1abc", None), key("Deny…", "1def", Some(form))];
        let rows = vec![Row::Keys(keys.clone()), Row::Pick { hint: "which", keys }];
        let sent = wire(forms.under(&Under::Rows(rows)));
        let ids: Vec<_> = ["/0/components/0", "/0/components/1"]
            .map(|at| sent.pointer(at).unwrap()["custom_id"].as_str().unwrap().to_owned())
            .into();
        assert_eq!(meant(&ids[0], &[]), Meant::Press("1abc".into()));
        assert_eq!(meant(&ids[1], &[]), Meant::Form("1def".into()));
        assert_eq!(carried(sent.as_array().unwrap()).as_deref(), Some("1abc"));
        assert_eq!(carried(&sent.as_array().unwrap()[1..]), None, "a menu says nothing by itself");
        let menu = &sent[1]["components"][0];
        let picked = menu["options"][1]["value"].as_str().unwrap().to_owned();
        let name = menu["custom_id"].as_str().unwrap();
        assert_eq!(meant(name, &[picked]), Meant::Form("1def".into()));
        assert_eq!(meant(name, &[]), Meant::Nothing);
        let opened = wire(forms.form("1def"));
        assert_eq!(opened["components"][0]["components"][0]["value"], "because");
        assert_eq!(wire(forms.form("unknown"))["title"], "Your words");
        let answer = json!([{"type": 1, "components": [
            {"type": 4, "custom_id": "words", "value": "no"},
        ]}]);
        assert_eq!(written(answer.as_array().unwrap()).as_deref(), Some("no"));
        let labelled = json!([{"type": 18, "component": {"custom_id": "words", "value": "no"}}]);
        assert_eq!(written(labelled.as_array().unwrap()).as_deref(), Some("no"));
    }

    #[test]
    fn nothing_is_larger_than_discord_takes() {
        let mut forms = Forms::default();
        let keys: Vec<_> = (0..40).map(|n| key(&"x".repeat(200), &format!("1{n}"), None)).collect();
        let rows = wire(forms.under(&Under::Rows(vec![Row::Keys(keys.clone())])));
        let rows = rows.as_array().unwrap();
        assert!(rows.len() <= ROWS);
        for row in rows {
            let buttons = row["components"].as_array().unwrap();
            assert!(buttons.len() <= BUTTONS);
            assert_eq!(buttons[0]["label"].as_str().unwrap().chars().count(), LABEL);
        }
        let menu = wire(forms.under(&Under::Rows(vec![Row::Pick { hint: "which", keys }])));
        let options = menu[0]["components"][0]["options"].as_array().unwrap();
        assert_eq!(options.len(), OPTIONS);
    }
}
