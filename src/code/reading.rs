//! From what somebody typed to the codes it may stand for.

use std::fmt;

use super::{gf32, gf32::ERASED, gf32::LENGTH, gf32::Word, symbols};
use crate::{Error, ErrorKind, Result};

/// The longest text that is looked at, in bytes: a code in full-width characters with separators everywhere.
pub(super) const LONGEST: usize = 256;
/// What mending may spend of a code in words or in another order: on one wrong symbol, or on two unreadable ones. A
/// code that took more to be read as it was typed may be meant as one of those.
const NEAR: usize = 2;
/// A code with one symbol left out.
const FEWEST: usize = LENGTH - 1;
/// A code with one symbol too many.
const MOST: usize = LENGTH + 1;

/// A code that a typed text may stand for, and what had to be mended to get there.
///
/// Nothing here says that the code is genuine; the authority compares it with the commitment of its seat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading<T> {
    /// The code.
    pub code: T,
    /// What was typed differently, in reading order; empty for a code typed as it was shown.
    pub corrections: Vec<Correction>,
}

/// One typing error and how it was mended. The text is for the customer: "group 2, place 3: 8 was typed, B is
/// meant". [`Debug`](fmt::Debug) leaves the symbols out, since they are part of a secret.
///
/// Positions count from 1 to 25 in the mended code, five to a group. A typed `None` is a character that is no
/// symbol, such as a question mark.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Correction {
    /// Another symbol was typed.
    Replaced {
        /// Where, 1 to 25.
        position: u8,
        /// What stands in the text.
        typed: Option<char>,
        /// What the code has there.
        meant: char,
    },
    /// A symbol was left out.
    Missing {
        /// Where, 1 to 25.
        position: u8,
        /// What the code has there.
        meant: char,
    },
    /// A group of five stands where another belongs.
    Moved {
        /// Where the group belongs: the place of its first symbol, 1 to 21.
        position: u8,
        /// Which group of the text it is, 1 to 5.
        typed: u8,
    },
    /// A symbol was typed that the code does not have.
    Surplus {
        /// In front of which symbol of the code, 1 to 25, or 26 behind the last.
        position: u8,
        /// What stands in the text.
        typed: Option<char>,
    },
}

impl Correction {
    /// Where: 1 to 25, or 26 for a surplus symbol behind the last.
    pub fn position(&self) -> u8 {
        match *self {
            Self::Replaced { position, .. }
            | Self::Missing { position, .. }
            | Self::Moved { position, .. }
            | Self::Surplus { position, .. } => position,
        }
    }

    /// Which group of five, from 1 to 5; the fifth for a surplus symbol behind the last.
    pub fn group(&self) -> u8 {
        ((self.position() - 1) / 5 + 1).min(5)
    }

    /// Which place in the group, from 1 to 5; the sixth for a surplus symbol behind the last.
    pub fn place(&self) -> u8 {
        self.position() - 5 * (self.group() - 1)
    }
}

impl fmt::Display for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Moved { typed, .. } = *self {
            return write!(f, "group {}: it was typed as group {typed}", self.group());
        }
        write!(f, "group {}, place {}: ", self.group(), self.place())?;
        match *self {
            Self::Moved { .. } => Ok(()),
            Self::Replaced { typed: Some(typed), meant, .. } => {
                write!(f, "{typed} was typed, {meant} is meant")
            }
            Self::Replaced { typed: None, meant, .. } => write!(f, "unreadable, {meant} is meant"),
            Self::Missing { meant, .. } => write!(f, "{meant} is missing"),
            Self::Surplus { typed: Some(typed), .. } => write!(f, "{typed} is one too many"),
            Self::Surplus { typed: None, .. } => write!(f, "one character too many"),
        }
    }
}

impl fmt::Debug for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Replaced { .. } => "Replaced",
            Self::Missing { .. } => "Missing",
            Self::Moved { .. } => "Moved",
            Self::Surplus { .. } => "Surplus",
        };
        f.debug_tuple(what).field(&self.position()).finish()
    }
}

/// A code word near the typed text.
struct Candidate {
    word: Word,
    corrections: Vec<Correction>,
    /// The parity symbols that mending used up: two for a wrong symbol, one for an unreadable one.
    spent: usize,
    /// Where in the text it stands: the number of symbols in front.
    start: usize,
}

/// How the typed symbols were made 25.
#[derive(Clone, Copy)]
enum Change {
    None,
    /// The symbol at this index was taken to be missing.
    Missing(usize),
    /// This symbol was taken away from in front of this index.
    Surplus(usize, u8),
}

/// The codes of one `kind` that `text` may stand for, fewest corrections first.
///
/// With 25 symbols there is at most one, within 2 × wrong + unreadable ≤ 6. With 24 or 26, each place is tried in turn
/// and one more error allowed, which hardly ever finds more than one code (docs/PROTOCOL.md, The phone code).
///
/// Several codes in several places are refused: a text is one attempt, and would be many.
///
/// A code of another kind is reported only if it leaves two of the six parity symbols unspent: 6 % of all
/// random words are within three errors of some code, and calling those "made by a newer version" would
/// mislead.
pub(super) fn read<T>(
    text: &str,
    about: &'static str,
    kind: u8,
    code: impl Fn(&Word) -> T,
) -> Result<Vec<Reading<T>>> {
    if text.len() > LONGEST {
        return Err(Error::too_large(about, text.len(), LONGEST));
    }
    let is_ours = |c: &Candidate| c.word[0] == kind;
    let mut found = candidates(text);
    if let [only] = &found[..]
        && is_ours(only)
        && only.spent <= NEAR
    {
        let only = found.remove(0);
        return Ok(vec![Reading { code: code(&only.word), corrections: only.corrections }]);
    }
    for more in [in_words, in_another_order] {
        if found.iter().any(|c| is_ours(c) && c.spent <= NEAR) {
            break;
        }
        for candidate in more(text).into_iter().filter(|c| c.spent <= NEAR) {
            if found.iter().all(|known| known.word != candidate.word) {
                found.push(candidate);
            }
        }
    }
    fewest_corrections_first(&mut found);
    let (ours, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_ours);
    if ours.iter().any(|c| c.start != ours[0].start) {
        return Err(Error::new(
            ErrorKind::SeveralMessages,
            format!("the text holds several {about}s; enter one at a time"),
        ));
    }
    if !ours.is_empty() {
        let reading = |c: Candidate| Reading { code: code(&c.word), corrections: c.corrections };
        return Ok(ours.into_iter().map(reading).collect());
    }
    Err(match others.iter().find(|candidate| candidate.spent <= 4).map(|other| other.word[0]) {
        Some(super::DEACTIVATION) => {
            Error::new(ErrorKind::WrongType, format!("a deactivation code where a {about} is expected"))
        }
        Some(super::LICENSE_KEY) => {
            Error::new(ErrorKind::WrongType, format!("a license key where a {about} is expected"))
        }
        Some(_) => Error::about(ErrorKind::UnsupportedVersion, about),
        None => unreadable(text, about),
    })
}

/// That a text is no code, not even with its typing errors mended.
pub(super) fn unreadable(text: &str, about: &str) -> Error {
    let count = text.chars().filter(|c| c.is_alphanumeric()).count();
    let why = match count {
        LENGTH => "too many of its 25 letters and digits are wrong".to_owned(),
        _ => format!("it has {count} letters and digits, and 25 are expected"),
    };
    Error::new(ErrorKind::UnreadableCode, format!("the {about} cannot be read: {why}"))
}

/// Runs of characters in a text without anything between them, as symbols, with the place where each ends.
fn words(text: &str) -> (Vec<u8>, Vec<usize>) {
    let (mut all, mut ends) = (Vec::new(), vec![0]);
    for symbol in symbols::words(text).chain([symbols::PASSED_OVER]) {
        if symbol != symbols::PASSED_OVER {
            all.push(symbol);
        } else if ends.last() != Some(&all.len()) {
            ends.push(all.len());
        }
    }
    (all, ends)
}

/// The codes that stand between words, signs or in a link: 25 symbols from the beginning of a run to the end of one. At
/// most one wrong symbol is mended, so that words are not taken for codes.
fn in_words(text: &str) -> Vec<Candidate> {
    let (all, ends) = words(text);
    let mut found = Vec::new();
    for start in &ends {
        if let Some(Ok(word)) =
            ends.binary_search(&(start + LENGTH)).ok().map(|_| all[*start..start + LENGTH].try_into())
        {
            consider(&word, Change::None, *start, &mut found);
        }
    }
    found
}

/// Symbols in a group, and groups in a code.
const GROUP: usize = 5;

/// The orders that five groups can stand in, the plain one first. The digits of an order's number in the factorial
/// system say which of the groups left comes next.
static ORDERS: [[u8; GROUP]; 120] = {
    let mut orders = [[0; GROUP]; 120];
    let mut number = 0;
    while number < 120 {
        let (mut left, mut rest, mut place) = ([0, 1, 2, 3, 4], number, 0);
        while place < GROUP {
            let count = GROUP - place;
            let mut next = rest % count;
            rest /= count;
            orders[number][place] = left[next];
            while next + 1 < count {
                left[next] = left[next + 1];
                next += 1;
            }
            place += 1;
        }
        number += 1;
    }
    orders
};

/// The codes whose five groups stand in another order. At most one wrong symbol is mended: with 119 other orders, one
/// of 12,000 random words is that near a code of some kind.
fn in_another_order(text: &str) -> Vec<Candidate> {
    let (all, ends) = words(text);
    let mut found = Vec::new();
    let groups = ends.windows(GROUP + 1).filter(|ends| ends.windows(2).all(|end| end[1] - end[0] == GROUP));
    for groups in groups {
        // What each group would add to the syndromes at each place: an order costs five sums.
        let parts: [[u32; GROUP]; GROUP] = std::array::from_fn(|group| {
            std::array::from_fn(|place| gf32::part(&all[groups[group]..][..GROUP], place * GROUP))
        });
        let erased = all[groups[0]..][..LENGTH].iter().filter(|&&symbol| symbol == ERASED).count();
        if erased > NEAR {
            continue;
        }
        for order in &ORDERS[1..] {
            let sum =
                order.iter().zip(0..).fold(0, |sum, (group, place)| sum ^ parts[usize::from(*group)][place]);
            if erased == 0 && !gf32::may_have_one_error(sum) {
                continue;
            }
            let word = std::array::from_fn(|i| all[groups[usize::from(order[i / GROUP])] + i % GROUP]);
            // Each order for itself: two groups that are alike may be the same code in two orders, once with more
            // mended.
            let mut near = Vec::new();
            consider(&word, Change::None, groups[0], &mut near);
            for mut candidate in near.into_iter().filter(|candidate| candidate.spent <= NEAR) {
                let moved = (0..).zip(*order).filter(|(place, group)| place != group);
                let moved = moved
                    .map(|(place, group)| Correction::Moved { position: 5 * place + 1, typed: group + 1 });
                candidate.corrections.splice(0..0, moved);
                let fewer = |known: &Candidate| candidate.corrections.len() < known.corrections.len();
                match found.iter_mut().find(|known: &&mut Candidate| known.word == candidate.word) {
                    Some(known) if fewer(known) => *known = candidate,
                    Some(_) => {}
                    None => found.push(candidate),
                }
            }
        }
    }
    found
}

/// All code words near `text`, of any kind, each once, fewest corrections first. At most 26 places are tried,
/// so there are never more than that.
fn candidates(text: &str) -> Vec<Candidate> {
    let mut buffer = [ERASED; MOST];
    let mut count = 0;
    for (_, symbol) in symbols::typed(text) {
        if count == MOST {
            return Vec::new();
        }
        buffer[count] = symbol;
        count += 1;
    }
    let typed = &buffer[..count];
    let mut word = [ERASED; LENGTH];
    let mut found = Vec::new();
    match count {
        FEWEST => {
            for gap in 0..LENGTH {
                word[..gap].copy_from_slice(&typed[..gap]);
                word[gap] = ERASED;
                word[gap + 1..].copy_from_slice(&typed[gap..]);
                consider(&word, Change::Missing(gap), 0, &mut found);
            }
        }
        LENGTH => {
            word.copy_from_slice(typed);
            consider(&word, Change::None, 0, &mut found);
        }
        MOST => {
            for extra in 0..MOST {
                word[..extra].copy_from_slice(&typed[..extra]);
                word[extra..].copy_from_slice(&typed[extra + 1..]);
                consider(&word, Change::Surplus(extra, typed[extra]), 0, &mut found);
            }
        }
        _ => {}
    }
    fewest_corrections_first(&mut found);
    found
}

/// In one place, because each sort takes seven kilobytes of code.
fn fewest_corrections_first(found: &mut [Candidate]) {
    found.sort_by_key(|candidate| candidate.corrections.len());
}

/// Mends `word` and keeps the result, unless it needs too much or is known already with as few corrections.
fn consider(word: &Word, change: Change, start: usize, found: &mut Vec<Candidate>) {
    let Some(mended) = gf32::mend(word) else { return };
    let (mut corrections, mut spent) = (Vec::new(), 0);
    for i in 0..=LENGTH {
        let position = i as u8 + 1;
        if let Change::Surplus(place, symbol) = change
            && place == i
        {
            corrections.push(Correction::Surplus { position, typed: symbols::character(symbol) });
        }
        if i == LENGTH || word[i] == mended[i] {
            continue;
        }
        let meant = char::from(symbols::ALPHABET[usize::from(mended[i])]);
        spent += if word[i] == ERASED { 1 } else { 2 };
        corrections.push(match change {
            Change::Missing(gap) if gap == i => Correction::Missing { position, meant },
            _ => Correction::Replaced { position, typed: symbols::character(word[i]), meant },
        });
    }
    if !matches!(change, Change::None) && corrections.len() > 2 {
        return;
    }
    match found.iter_mut().find(|known| known.word == mended) {
        Some(known) if known.corrections.len() <= corrections.len() => {}
        Some(known) => *known = Candidate { word: mended, corrections, spent, start },
        None => found.push(Candidate { word: mended, corrections, spent, start }),
    }
}

/// How far somebody is with typing a code. See [`check_typing`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Typing {
    /// The symbols so far, unreadable ones included; 25 make a code.
    pub symbols: usize,
    /// The places of unreadable characters among the characters of the text, from 0.
    pub unreadable: Vec<usize>,
    /// Whether this is a code, of any kind, without any typing error.
    pub complete: bool,
}

/// Looks at a text field while somebody types into it: at its first 256 characters, which is more than any code.
///
/// ```
/// use nodelock::code::check_typing;
///
/// let so_far = check_typing("17KX2-M9");
/// assert_eq!((so_far.symbols, so_far.complete), (7, false));
/// ```
pub fn check_typing(text: &str) -> Typing {
    let mut typing = Typing { symbols: 0, unreadable: Vec::new(), complete: false };
    let mut word = [ERASED; LENGTH];
    for (place, symbol) in symbols::typed(text).take_while(|(place, _)| *place < LONGEST) {
        if let Some(slot) = word.get_mut(typing.symbols) {
            *slot = symbol;
        }
        typing.symbols += 1;
        if symbol == ERASED {
            typing.unreadable.push(place);
        }
    }
    typing.complete = typing.symbols == LENGTH && text.len() <= LONGEST && gf32::is_code_word(&word);
    typing
}
