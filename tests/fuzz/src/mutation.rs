//! Mutations of bodies and records that keep the lengths in front of their parts right.
//!
//! A body is bincode: a text or a list has its length in front, in one byte up to 250. A mutation of single bytes nearly
//! always makes such a body unreadable. These take any byte for a length, and change it along with what follows it.

/// A small generator of numbers: the same for the same seed.
struct Dice(u64);

impl Dice {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Changes the first `size` bytes of `data`, of which `head` stay as they are; returns the new size. None, and nothing is
/// changed, when the part that was drawn cannot be changed or a plain mutation is due.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, head: usize, seed: u32) -> Option<usize> {
    let mut dice = Dice((u64::from(seed) << 1) | 1);
    for _ in 0..8 {
        dice.below(2);
    }
    if size <= head + 1 || dice.below(3) == 0 {
        return None;
    }
    let room = data.len().min(max_size);
    for _ in 0..8 {
        let at = head + dice.below(size - head);
        let length = usize::from(data[at]);
        let rest = size - at - 1;
        if length > 250 || size > room {
            continue;
        }
        let unit = if dice.below(4) == 0 && rest > 0 { 1 + dice.below(rest.min(256)) } else { 0 };
        match dice.below(4) {
            // A longer text.
            0 | 1 if unit == 0 && length <= rest => {
                let most = (250 - length).min(room - size);
                if most == 0 {
                    continue;
                }
                let more = 1 + dice.below(most);
                let end = at + 1 + length;
                data.copy_within(end..size, end + more);
                data[end..end + more].fill(b'a' + dice.below(26) as u8);
                data[at] += more as u8;
                return Some(size + more);
            }
            // A shorter one.
            2 if unit == 0 && (1..=rest).contains(&length) => {
                let less = 1 + dice.below(length);
                data.copy_within(at + 1 + less..size, at + 1);
                data[at] -= less as u8;
                return Some(size - less);
            }
            // The first item of a list twice.
            0..=2 if unit > 0 && unit <= room - size && length > 0 && length < 250 => {
                data.copy_within(at + 1..size, at + 1 + unit);
                data[at] += 1;
                return Some(size + unit);
            }
            // A list without its first item.
            3 if unit > 0 && length > 0 => {
                data.copy_within(at + 1 + unit..size, at + 1);
                data[at] -= 1;
                return Some(size - unit);
            }
            _ => {}
        }
    }
    None
}
