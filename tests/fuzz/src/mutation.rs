//! Mutations that keep what is around them readable: lengths in front of the parts of a body, lines of a text, items of
//! JSON. A mutation of single bytes nearly always spoils such an input.

use bincode::Options as _;

use crate::world::{BUNDLE, bundle};

/// A small generator of numbers: the same for the same seed.
struct Dice(u64);

impl Dice {
    fn new(seed: u32) -> Self {
        let mut dice = Self((u64::from(seed) << 1) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// A length for a text: mostly one beside a limit that a program might have.
    fn length(&mut self) -> usize {
        match self.below(4) {
            0 => self.below(251),
            _ => ([8, 16, 32, 64, 128, 250][self.below(6)] + self.below(3) - 1).min(250),
        }
    }
}

/// Changes a body of bincode behind the first `head` bytes: a text or a list there has its length in front, in one byte
/// up to 250. Returns the new size; none, and nothing is changed, when a plain mutation is due.
pub fn mutate_body(data: &mut [u8], size: usize, max_size: usize, head: usize, seed: u32) -> Option<usize> {
    let mut dice = Dice::new(seed);
    let room = data.len().min(max_size);
    if size <= head + 1 || size > room || dice.below(3) == 0 {
        return None;
    }
    let changes_text = dice.below(4) > 0;
    for _ in 0..256 {
        let at = head + dice.below(size - head);
        let length = usize::from(data[at]);
        let rest = size - at - 1;
        if length > 250 || length > rest || (length == 0 && dice.below(8) > 0) {
            continue;
        }
        let end = at + 1 + length;
        if changes_text {
            let new = dice.length();
            let is_text = data[at + 1..end].iter().all(|byte| (b' '..=b'~').contains(byte));
            if !is_text || size - length + new > room {
                continue;
            }
            data.copy_within(end..size, at + 1 + new);
            if new > length {
                data[end..at + 1 + new].fill(b'a' + dice.below(26) as u8);
            }
            data[at] = new as u8;
            return Some(size - length + new);
        }
        if length == 0 || length == 250 || rest == 0 {
            continue;
        }
        // The first item of a list twice, or not at all.
        let item = 1 + dice.below(rest.min(256));
        if dice.below(2) == 0 {
            data.copy_within(at + 1 + item..size, at + 1);
            data[at] -= 1;
            return Some(size - item);
        }
        if size + item <= room {
            data.copy_within(at + 1..size, at + 1 + item);
            data[at] += 1;
            return Some(size + item);
        }
    }
    None
}

/// Changes a file of messages: one of them twice or not at all; a single message becomes a file with it. Returns the
/// new size; none, and nothing is changed, when a plain mutation is due.
pub fn mutate_messages(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> Option<usize> {
    let mut dice = Dice::new(seed);
    let room = data.len().min(max_size);
    if size > room || dice.below(3) > 0 {
        return None;
    }
    let mut messages = messages_of(&data[..size])?;
    let at = dice.below(messages.len());
    if messages.len() == 1 || dice.below(2) == 0 {
        messages.insert(dice.below(messages.len() + 1), messages[at].clone());
    } else {
        messages.remove(at);
    }
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let new = bundle(&messages);
    if new.len() > room {
        return None;
    }
    data[..new.len()].copy_from_slice(&new);
    Some(new.len())
}

/// The messages of a file in bytes, or the one that it is.
fn messages_of(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let messages = match file.strip_prefix(BUNDLE) {
        Some(list) => bincode::DefaultOptions::new().deserialize::<Vec<Vec<u8>>>(list).ok()?,
        None => vec![file.strip_prefix(b"NL").map(|_| file.to_vec())?],
    };
    (!messages.is_empty()).then_some(messages)
}

/// Changes a text of lines or JSON behind the first `head` bytes: some lines twice, a line less, an item or a member
/// twice. Returns the new size; none, and nothing is changed, when a plain mutation is due.
pub fn mutate_text(data: &mut [u8], size: usize, max_size: usize, head: usize, seed: u32) -> Option<usize> {
    let mut dice = Dice::new(seed);
    let room = data.len().min(max_size);
    if size <= head || size > room || dice.below(2) == 0 {
        return None;
    }
    let text = data[head..size].to_vec();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let new = match dice.below(4) {
        0 => {
            let from = if dice.below(2) == 0 { 0 } else { dice.below(lines.len()) };
            let to = if dice.below(2) == 0 { lines.len() } else { from + 1 + dice.below(lines.len() - from) };
            [&lines[..to].concat(), &b"\n"[..], &lines[from..].concat()].concat()
        }
        1 => {
            let line = dice.below(lines.len());
            [lines[..line].concat(), lines[line + 1..].concat()].concat()
        }
        _ => {
            let starts: Vec<usize> =
                (0..text.len()).filter(|at| matches!(text[*at], b'[' | b'{' | b',')).collect();
            if starts.is_empty() {
                return None;
            }
            let from = starts[dice.below(starts.len())] + 1;
            let item = &text[from..from + item_length(&text[from..])];
            [&text[..from], item, b",", &text[from..]].concat()
        }
    };
    if head + new.len() > room {
        return None;
    }
    data[head..head + new.len()].copy_from_slice(&new);
    Some(head + new.len())
}

/// How long the item of JSON is that a text begins with.
fn item_length(text: &[u8]) -> usize {
    let (mut depth, mut in_text) = (0_usize, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b',' if depth == 0 => return at,
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}
