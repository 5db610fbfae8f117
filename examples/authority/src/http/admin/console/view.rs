//! What pages are made of. A page is a list of blocks, and one template knows what each looks like, so everything that
//! somebody typed is escaped in one place.

use askama::Template;
use axum::http::StatusCode;
use nodelock::Timestamp;

use super::{super::super::portal::marked::Marked, words::Words};

/// A page as a handler makes it. What every page has is added when it is rendered.
pub(super) struct Content {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

impl Content {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, title: title.into(), blocks: Vec::new() }
    }

    pub(super) fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    pub(super) fn with_some(mut self, block: Option<Block>) -> Self {
        self.blocks.extend(block);
        self
    }
}

pub(super) enum Block {
    Text(String),
    Notice(Notice),
    /// A code as it was read.
    Marked(Marked),
    Facts(Facts),
    Table(Table),
    Links(Vec<Link>),
    Form(Form),
    /// Something to take away, each on a line of its own: it is shown once.
    Secrets(Vec<(String, String)>),
}

/// How something went, which decides about the color.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Tone {
    Good,
    Waiting,
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
        }
    }
}

pub(super) struct Notice {
    pub(super) tone: Tone,
    pub(super) title: String,
    pub(super) lines: Vec<String>,
}

impl Notice {
    pub(super) fn new(tone: Tone, title: impl Into<String>) -> Self {
        Self { tone, title: title.into(), lines: Vec::new() }
    }

    pub(super) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub(super) fn block(self) -> Block {
        Block::Notice(self)
    }
}

pub(super) struct Link {
    pub(super) address: String,
    pub(super) name: String,
    /// What it is about, for whoever only hears the link.
    pub(super) about: String,
}

impl Link {
    pub(super) fn new(address: impl Into<String>, name: impl Into<String>) -> Self {
        Self { address: address.into(), name: name.into(), about: String::new() }
    }

    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }
}

/// A value that is shown.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) address: Option<String>,
    pub(super) class: &'static str,
    /// Whether a stranger wrote it, in whatever direction.
    pub(super) is_strangers: bool,
    pub(super) links: Vec<Link>,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// What a stranger wrote.
    pub(super) fn strangers(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_strangers: true, ..Self::default() }
    }

    pub(super) fn code(text: impl Into<String>) -> Self {
        Self { text: text.into(), class: "code", ..Self::default() }
    }

    pub(super) fn time(time: Timestamp) -> Self {
        Self { text: words_of_time(time), class: "when", ..Self::default() }
    }

    /// The same of a time that there may not be.
    pub(super) fn some_time(time: Option<Timestamp>, otherwise: &str) -> Self {
        time.map_or_else(|| Self::new(otherwise), Self::time)
    }

    pub(super) fn links(links: Vec<Link>) -> Self {
        Self { links, class: "acts", ..Self::default() }
    }

    pub(super) fn to(self, address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    pub(super) fn class(self, class: &'static str) -> Self {
        Self { class, ..self }
    }
}

/// A time for people: `2026-11-24 10:02 UTC`, in every language.
pub(super) fn words_of_time(time: Timestamp) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

/// Names and values.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) title: String,
    pub(super) rows: Vec<(String, Cell)>,
}

impl Facts {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    pub(super) fn fact(mut self, name: impl Into<String>, value: Cell) -> Self {
        self.rows.push((name.into(), value));
        self
    }

    /// The same, if there is something to say.
    pub(super) fn said(self, name: impl Into<String>, value: &str) -> Self {
        if value.is_empty() { self } else { self.fact(name, Cell::strangers(value)) }
    }

    pub(super) fn block(self) -> Block {
        Block::Facts(self)
    }
}

pub(super) struct Row {
    pub(super) class: &'static str,
    pub(super) cells: Vec<Cell>,
}

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        Self { class: "", cells }
    }
}

/// A list. Its first column names the row.
#[derive(Default)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// What to do first while there is nothing.
    pub(super) empty: String,
    /// The next page.
    pub(super) next: Option<String>,
}

impl Table {
    pub(super) fn new(title: impl Into<String>, columns: &[&str], empty: &str) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { title: title.into(), columns, empty: empty.to_owned(), ..Self::default() }
    }

    pub(super) fn block(self) -> Block {
        Block::Table(self)
    }

    /// Each cell with the name of its column, which a phone shows beside it.
    fn named<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = (&'a str, &'a Cell)> {
        self.columns.iter().map(String::as_str).zip(&row.cells)
    }
}

pub(super) enum Input {
    Text,
    Password,
    Number,
    Date,
    /// A long text of so many lines.
    Lines(u8),
    /// One of these: value and name.
    Choice(Vec<(String, String)>),
    /// Some of these: value, name, and whether it is chosen.
    Several(Vec<(String, String, bool)>),
    /// A code, group by group.
    Groups(Vec<String>),
    /// Sent along unseen.
    Hidden,
    /// Unseen, too: whose password is typed, for browsers that keep passwords.
    Whose,
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) input: Input,
    pub(super) value: String,
    pub(super) about: String,
    pub(super) required: bool,
    /// What the browser may fill in.
    pub(super) autocomplete: &'static str,
}

impl Field {
    pub(super) fn new(name: &'static str, label: impl Into<String>, input: Input) -> Self {
        let (value, about) = (String::new(), String::new());
        Self { name, label: label.into(), input, value, about, required: false, autocomplete: "off" }
    }

    pub(super) fn hidden(name: &'static str, value: impl Into<String>) -> Self {
        Self::new(name, "", Input::Hidden).value(value)
    }

    pub(super) fn value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn filled_by(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }
}

pub(super) struct Form {
    pub(super) title: String,
    pub(super) action: String,
    /// Whether it only asks: it is sent in the address, and has no token.
    pub(super) is_query: bool,
    pub(super) fields: Vec<Field>,
    pub(super) button: String,
    /// Whether what it does cannot be undone.
    pub(super) is_grave: bool,
    /// Where to go instead.
    pub(super) instead: Option<Link>,
    /// Fields that few need, folded up under this name.
    pub(super) more: Option<(String, Vec<Field>)>,
}

impl Form {
    pub(super) fn post(action: impl Into<String>, button: impl Into<String>, fields: Vec<Field>) -> Self {
        Self {
            title: String::new(),
            action: action.into(),
            is_query: false,
            fields,
            button: button.into(),
            is_grave: false,
            instead: None,
            more: None,
        }
    }

    pub(super) fn query(action: impl Into<String>, button: impl Into<String>, fields: Vec<Field>) -> Self {
        Self { is_query: true, ..Self::post(action, button, fields) }
    }

    pub(super) fn title(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    pub(super) fn block(self) -> Block {
        Block::Form(self)
    }
}

/// A link of the head, and whether it is the page that is shown.
pub(super) struct Entry {
    pub(super) address: &'static str,
    pub(super) name: &'static str,
    pub(super) is_here: bool,
}

/// A whole page.
#[derive(Template)]
#[template(path = "console.html")]
pub(super) struct Page<'a> {
    pub(super) words: &'static Words,
    pub(super) title: &'a str,
    pub(super) blocks: &'a [Block],
    pub(super) entries: Vec<Entry>,
    /// Who is signed in, and their role; none before that.
    pub(super) who: Option<(String, &'static str)>,
    /// Tells a form of ours from a stranger's.
    pub(super) token: &'a str,
    /// Tells a form that is sent again from a new one.
    pub(super) once: &'a str,
}
