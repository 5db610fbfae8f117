//! A code as somebody typed it or as it was mended, in groups of five with the positions that matter marked.

use nodelock::code::{Correction, check_typing};

/// Symbols in a code, and in a group.
const CODE: usize = 25;
const GROUP: usize = 5;
/// More than anybody types for a code.
const MOST: usize = 2 * CODE;

/// One symbol and whether it is marked.
pub(in crate::http) struct Position {
    pub(in crate::http) symbol: char,
    pub(in crate::http) marked: bool,
}

/// A code in groups, and what is to be said of it.
pub(in crate::http) struct Marked {
    pub(in crate::http) caption: &'static str,
    pub(in crate::http) groups: Vec<Vec<Position>>,
    pub(in crate::http) notes: Vec<String>,
}

impl Marked {
    /// A code that was mended, with what was typed differently; None when it was typed as it is.
    pub(in crate::http) fn mended(code: &str, corrections: &[Correction]) -> Option<Self> {
        (!corrections.is_empty()).then(|| Self::whole(code, corrections))
    }

    /// All of a code, with what was typed differently.
    pub(in crate::http) fn whole(code: &str, corrections: &[Correction]) -> Self {
        let positions =
            code.chars().filter(|symbol| *symbol != '-').enumerate().map(|(at, symbol)| Position {
                symbol,
                marked: corrections.iter().any(|correction| usize::from(correction.position()) == at + 1),
            });
        Self {
            caption: "There were typing errors. This is how it was read:",
            groups: groups(positions),
            notes: corrections.iter().map(sentence).collect(),
        }
    }

    /// What was typed and could not be mended. `first` is the symbol that codes of this kind begin with.
    pub(in crate::http) fn unreadable(typed: &str, first: char) -> Self {
        let symbols: Vec<(char, bool)> = typed
            .chars()
            .filter_map(|symbol| {
                let typing = check_typing(symbol.encode_utf8(&mut [0; 4]));
                (typing.symbols == 1).then_some((symbol, !typing.unreadable.is_empty()))
            })
            .collect();
        let count = symbols.len();
        let foreign = symbols.iter().filter(|(_, unreadable)| *unreadable).count();
        let begins = symbols.first().map(|&(symbol, _)| symbol);
        let wrong_start = count == CODE && begins.is_some_and(|symbol| !is_symbol(symbol, first));
        let positions =
            symbols.into_iter().take(MOST).enumerate().map(|(at, (symbol, unreadable))| Position {
                symbol: symbol.to_ascii_uppercase(),
                marked: unreadable || at >= CODE || (at == 0 && wrong_start),
            });

        let mut notes = Vec::new();
        match count {
            CODE => {}
            _ if count + 1 == CODE => notes.push(
                "24 characters were typed and a code has 25: one is missing, and more than one other is wrong.".into(),
            ),
            _ if count == CODE + 1 => notes.push(
                "26 characters were typed and a code has 25: one is too many, and more than one other is wrong.".into(),
            ),
            ..CODE => notes.push(format!("{count} characters were typed and a code has 25: {} are missing.", CODE - count)),
            _ => notes.push(format!("{count} characters were typed and a code has 25: {} are too many.", count - CODE)),
        }
        if foreign > 0 {
            notes.push(
                "The marked characters do not occur in codes. Codes have digits and letters, but no U."
                    .into(),
            );
        }
        if wrong_start {
            notes.push(format!("Codes of this kind begin with {first}."));
        }
        if count == CODE {
            notes.push(
                "Up to three wrong characters are mended, and here are more. Compare it with the original group by group."
                    .into(),
            );
        }
        Self { caption: "This is what was typed:", groups: groups(positions), notes }
    }
}

fn groups(positions: impl Iterator<Item = Position>) -> Vec<Vec<Position>> {
    let mut positions = positions.peekable();
    let mut groups = Vec::new();
    while positions.peek().is_some() {
        groups.push(positions.by_ref().take(GROUP).collect());
    }
    groups
}

/// Whether a typed character is read as this symbol. The library tells only whether it is read as one at all.
fn is_symbol(typed: char, symbol: char) -> bool {
    let typed = match typed {
        '\u{FF01}'..='\u{FF5E}' => char::from((typed as u32 - 0xFEE0) as u8),
        _ => typed,
    };
    typed.eq_ignore_ascii_case(&symbol) || (symbol == '1' && matches!(typed, 'I' | 'i' | 'L' | 'l'))
}

fn sentence(correction: &Correction) -> String {
    let mut text = correction.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text + "."
}
