//! The field of 32 elements and the Reed-Solomon code RS(25, 19) over it.
//!
//! Specified in docs/PROTOCOL.md, The phone code.
//!
//! The field is GF(2)\[x\] / (x^5 + x^2 + 1) with α = x = 2; addition is XOR.
//! Symbol `i` of a word (from 0, in reading order) is the coefficient of x^(24-i), and a word is a code word
//! when the polynomial is zero at α^0, α^1, … α^5. Shortened from RS(31, 25): an error located in one of the
//! six places that are never sent is no error but a word beyond repair.
//!
//! The tables hold one answer for all places or all syndromes at once, five bits each in one integer, because
//! a sum in this field is one XOR of them all.

/// Symbols in a code word.
pub(super) const LENGTH: usize = 25;
/// Parity symbols, and with them the most erasures or twice the most errors that can be mended.
pub(super) const PARITY: usize = 6;
/// The first symbol of the parity; before it stands what the code says.
pub(super) const DATA: usize = LENGTH - PARITY;
/// In a [`Word`], a place of which only the position is known.
pub(super) const ERASED: u8 = 32;

/// Twenty-five symbols of five bits, or [`ERASED`].
pub(super) type Word = [u8; LENGTH];
/// A polynomial of up to one coefficient more than there are parity symbols, constant term first.
type Poly = [u8; PARITY + 1];

const fn times(a: u8, b: u8) -> u8 {
    let (mut product, mut a, mut bit) = (0, a, 0);
    while bit < 5 {
        if b >> bit & 1 == 1 {
            product ^= a;
        }
        a <<= 1;
        if a & 32 != 0 {
            a ^= 0b10_0101;
        }
        bit += 1;
    }
    product
}

const fn power(base: u8, exponent: usize) -> u8 {
    let (mut result, mut n) = (1, 0);
    while n < exponent % 31 {
        result = times(result, base);
        n += 1;
    }
    result
}

static PRODUCT: [[u8; 32]; 32] = {
    let mut table = [[0; 32]; 32];
    let mut n = 0;
    while n < 32 * 32 {
        table[n / 32][n % 32] = times((n / 32) as u8, (n % 32) as u8);
        n += 1;
    }
    table
};

static INVERSE: [u8; 32] = {
    let mut table = [0; 32];
    let mut a = 0;
    while a < 32 {
        table[a] = power(a as u8, 30);
        a += 1;
    }
    table
};

/// α^(24-i), the locator of place `i`.
static LOCATOR: Word = {
    let mut table = [0; LENGTH];
    let mut i = 0;
    while i < LENGTH {
        table[i] = power(2, LENGTH - 1 - i);
        i += 1;
    }
    table
};

/// What a symbol at a place adds to the syndromes; syndrome `j` is bits 5j … 5j+4. An erasure adds nothing.
static SYNDROMES: [[u32; 33]; LENGTH] = {
    let mut table = [[0; 33]; LENGTH];
    let mut n = 0;
    while n < LENGTH * 32 * PARITY {
        let (i, symbol, j) = (n / (32 * PARITY), n / PARITY % 32, n % PARITY);
        let term = times(symbol as u8, power(power(2, LENGTH - 1 - i), j));
        table[i][symbol] |= (term as u32) << (5 * j);
        n += 1;
    }
    table
};

/// The term c·x^j at the inverse of every place's locator; place `i` is bits 5i … 5i+4.
static TERM: [[u128; 32]; PARITY + 1] = {
    let mut table = [[0; 32]; PARITY + 1];
    let mut n = 0;
    while n < (PARITY + 1) * 32 * LENGTH {
        let (j, c, i) = (n / (32 * LENGTH), n / LENGTH % 32, n % LENGTH);
        let inverse = power(2, 31 - (LENGTH - 1 - i));
        table[j][c] |= (times(c as u8, power(inverse, j)) as u128) << (5 * i);
        n += 1;
    }
    table
};

/// The lowest of the five bits of every place.
const LOW_BITS: u128 = {
    let (mut bits, mut i) = (0, 0);
    while i < LENGTH {
        bits |= 1 << (5 * i);
        i += 1;
    }
    bits
};

fn mul(a: u8, b: u8) -> u8 {
    PRODUCT[usize::from(a % 32)][usize::from(b % 32)]
}

/// 1/a, and 0 for 0.
fn invert(a: u8) -> u8 {
    INVERSE[usize::from(a % 32)]
}

/// The polynomial's values at the inverses of all locators.
fn everywhere(poly: &Poly) -> u128 {
    poly.iter().zip(&TERM).fold(0, |sum, (&c, term)| sum ^ term[usize::from(c)])
}

fn at_place(values: u128, i: usize) -> u8 {
    (values >> (5 * i)) as u8 & 31
}

fn syndromes(word: &Word) -> u32 {
    part(word, 0)
}

/// What these symbols add to the syndromes when the first of them stands at that place.
pub(super) fn part(symbols: &[u8], first: usize) -> u32 {
    symbols.iter().zip(&SYNDROMES[first..]).fold(0, |sum, (&symbol, table)| sum ^ table[usize::from(symbol)])
}

/// Whether a word with these syndromes may be a code word, or differ from one in one symbol: then each syndrome is the
/// one before times the locator. One in 32 others is let through; [`mend`] decides.
pub(super) fn may_have_one_error(syndromes: u32) -> bool {
    let at = |j: usize| (syndromes >> (5 * j)) as u8 & 31;
    mul(at(1), at(1)) == mul(at(0), at(2))
}

/// The code word for 19 symbols: the parity is what a word with its parity erased is mended to.
pub(super) fn encode(data: &[u8; DATA]) -> Word {
    let mut word = [ERASED; LENGTH];
    word[..DATA].copy_from_slice(data);
    mend(&word).expect("six erasures can always be filled")
}

/// Whether nothing needs mending.
pub(super) fn is_code_word(word: &Word) -> bool {
    !word.contains(&ERASED) && syndromes(word) == 0
}

/// The one code word with 2 × (wrong symbols) + (erased symbols) ≤ 6, if there is one.
///
/// Berlekamp-Massey started from the erasures (Blahut), all places tried at once, Forney's formula for the
/// values; then the result is checked, so that what comes back is always a code word.
pub(super) fn mend(word: &Word) -> Option<Word> {
    let packed = syndromes(word);
    let erasures = word.iter().filter(|&&symbol| symbol == ERASED).count();
    if packed == 0 && erasures == 0 {
        return Some(*word);
    }
    if erasures > PARITY {
        return None;
    }
    let syndrome: [u8; PARITY] = std::array::from_fn(|j| (packed >> (5 * j)) as u8 & 31);

    let mut locator: Poly = [1, 0, 0, 0, 0, 0, 0];
    for i in (0..LENGTH).filter(|&i| word[i] == ERASED) {
        for j in (1..=PARITY).rev() {
            locator[j] ^= mul(locator[j - 1], LOCATOR[i]);
        }
    }
    let (mut previous, mut degree) = (locator, erasures);
    for r in erasures + 1..=PARITY {
        let gap = (0..r).fold(0, |sum, j| sum ^ mul(locator[j], syndrome[r - 1 - j]));
        previous.copy_within(..PARITY, 1);
        previous[0] = 0;
        if gap == 0 {
            continue;
        }
        let next: Poly = std::array::from_fn(|j| locator[j] ^ mul(gap, previous[j]));
        if 2 * degree < r + erasures {
            let scale = invert(gap);
            previous = locator.map(|c| mul(scale, c));
            degree = r - degree + erasures;
        }
        locator = next;
    }

    // A bit per place where the locator polynomial is not zero.
    let values = everywhere(&locator);
    let wrong = !(values | values >> 1 | values >> 2 | values >> 3 | values >> 4) & LOW_BITS;
    if wrong.count_ones() as usize != degree || 2 * degree > PARITY + erasures {
        return None;
    }
    let evaluator: Poly = std::array::from_fn(|k| match k {
        PARITY => 0,
        _ => (0..=k).fold(0, |sum, j| sum ^ mul(locator[j], syndrome[k - j])),
    });
    // Forney divides by the derivative; in characteristic 2, x times it is the odd terms of the locator.
    let odd: Poly = std::array::from_fn(|j| if j % 2 == 1 { locator[j] } else { 0 });
    let (above, below) = (everywhere(&evaluator), everywhere(&odd));

    let (mut mended, mut left) = (word.map(|symbol| symbol % ERASED), packed);
    for i in (0..LENGTH).filter(|i| wrong >> (5 * i) & 1 == 1) {
        let change = mul(at_place(above, i), invert(at_place(below, i)));
        mended[i] ^= change;
        left ^= SYNDROMES[i][usize::from(change)];
    }
    (left == 0).then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_a_field() {
        assert_eq!(power(2, 5), 0b00101);
        for a in 1..32 {
            assert_eq!(mul(a, invert(a)), 1);
            assert!((1..31).all(|n| power(2, n) != 1));
        }
    }

    #[test]
    fn a_word_with_one_error_is_never_passed_over() {
        let word = encode(&std::array::from_fn(|i| (7 * i % 32) as u8));
        assert!(may_have_one_error(syndromes(&word)));
        for (place, wrong) in (0..LENGTH).flat_map(|place| (0..32).map(move |wrong| (place, wrong))) {
            let mut typed = word;
            typed[place] = wrong;
            assert!(may_have_one_error(syndromes(&typed)), "place {place}, {wrong}");
        }
        let (mut passed, mut typed) = (0, word);
        for wrong in 0..1024 {
            (typed[3], typed[17]) = ((wrong % 32) as u8, (wrong / 32) as u8);
            passed += u32::from(may_have_one_error(syndromes(&typed)));
        }
        assert!(passed < 200, "{passed} of 1024 with two errors");
    }

    #[test]
    fn a_word_far_from_every_code_word_is_left_alone() {
        let word = encode(&std::array::from_fn(|i| i as u8));
        assert!(is_code_word(&word));
        let mut erased = word;
        erased[3..9].fill(ERASED);
        assert_eq!(mend(&erased), Some(word));
        erased[9] = ERASED;
        assert_eq!(mend(&erased), None);
    }
}
