//! Passwords, codes of second factors, tokens: made and checked.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{Random as _, SystemRandom, Timestamp};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    domain::Password,
    failure::{Failure, Result},
};

/// What a guess costs: 19 MiB of memory and two passes over it, the least that OWASP recommends for Argon2id. Strangers
/// make the authority pay the same, so it is no more; what they may try is limited instead.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// More than any parameters that this program ever wrote: a damaged record must not ask for all memory.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// A second factor is always asked for too. Long ones cost no more to hash.
const SHORTEST_PASSWORD: usize = 12;
const LONGEST_PASSWORD: usize = 1024;

/// How long a code of a second factor is shown, and of how many digits it is: what every authenticator takes.
const TOTP_SECONDS: u64 = 30;
const TOTP_DIGITS: usize = 6;
/// RFC 4226 recommends 160 bits.
const TOTP_BYTES: usize = 20;

const RECOVERY_CODES: usize = 10;
/// 80 bits: too many to guess, so one fast hash hides them.
const RECOVERY_BYTES: usize = 10;

/// What tokens begin with, so that people and programs that look for lost secrets know them.
pub(crate) const TOKEN: &str = "nlt_";
pub(crate) const DEPLOYMENT_KEY: &str = "nld_";
pub(crate) const SESSION: &str = "nls_";

/// Hashes a new password.
///
/// Fails with [`Failure::Usage`] for one that is too short or too long.
pub(super) fn hash_password(password: &str) -> Result<Password> {
    let characters = password.chars().count();
    if characters < SHORTEST_PASSWORD || password.len() > LONGEST_PASSWORD {
        return Err(Failure::Usage(format!(
            "a password of at least {SHORTEST_PASSWORD} characters and at most {LONGEST_PASSWORD} bytes is expected, and \
             this one has {characters} characters"
        )));
    }
    let salt = random::<SALT_BYTES>()?;
    let (memory, passes, lanes) = (MEMORY_KIB, PASSES, LANES);
    let mut hashed = Password { memory, passes, lanes, salt: text(&*salt), hash: String::new() };
    hashed.hash = text(&*derive(&hashed, password).ok_or_else(|| Failure::Usage("no hash".into()))?);
    Ok(hashed)
}

/// Whether that is the password. It takes the same time whether it is or not, and for nobody's, which `None` stands
/// for.
pub(super) fn is_password(hashed: Option<&Password>, password: &str) -> bool {
    let nobodys = Password {
        memory: MEMORY_KIB,
        passes: PASSES,
        lanes: LANES,
        salt: text(&[0; SALT_BYTES]),
        hash: text(&[0; HASH_BYTES]),
    };
    let is_somebodys = hashed.is_some();
    let hashed = hashed.unwrap_or(&nobodys);
    let Some(derived) = derive(hashed, password) else { return false };
    let expected = URL_SAFE_NO_PAD.decode(&hashed.hash).unwrap_or_default();
    bool::from(derived.ct_eq(&expected)) && is_somebodys
}

/// None for parameters that no such record has.
fn derive(hashed: &Password, password: &str) -> Option<Zeroizing<[u8; HASH_BYTES]>> {
    if hashed.memory > MOST_MEMORY_KIB || hashed.passes > MOST_PASSES {
        return None;
    }
    let parameters = Params::new(hashed.memory, hashed.passes, hashed.lanes, Some(HASH_BYTES)).ok()?;
    let salt = URL_SAFE_NO_PAD.decode(&hashed.salt).ok()?;
    let mut derived = Zeroizing::new([0; HASH_BYTES]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    argon2.hash_password_into(password.as_bytes(), &salt, &mut *derived).ok()?;
    Some(derived)
}

/// A new secret for a second factor, in base64url.
pub(super) fn new_totp() -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(text(&*random::<TOTP_BYTES>()?)))
}

/// What an authenticator is set up with: the same secret as people type it, and as a link for a QR code.
pub(super) fn totp_for_people(secret: &str, account: &str, product: &str) -> (String, String) {
    let typed = base32(&URL_SAFE_NO_PAD.decode(secret).unwrap_or_default());
    let escaped: String = product
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let link = format!("otpauth://totp/{escaped}:{account}?secret={typed}&issuer={escaped}");
    (typed, link)
}

/// The step of time that a code is right at, by RFC 6238: now, or one step before or after, if it comes after the last
/// step that a code was taken at.
pub(super) fn totp_step(secret: &str, code: &str, now: Timestamp, last: u64) -> Option<u64> {
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
    let step = now.unix_seconds() / TOTP_SECONDS;
    let steps = step.saturating_sub(1)..=step.saturating_add(1);
    // Each is compared, whichever is right.
    let right = steps.filter(|step| bool::from(hotp(&secret, *step).as_bytes().ct_eq(code.as_bytes())));
    right.fold(None, |found, step| found.or(Some(step))).filter(|step| *step > last)
}

/// The code that an authenticator shows.
#[cfg(test)]
pub(crate) fn code_at(secret: &str, now: Timestamp) -> String {
    hotp(&URL_SAFE_NO_PAD.decode(secret).unwrap(), now.unix_seconds() / TOTP_SECONDS)
}

/// RFC 4226. Authenticators know SHA-1 alone; what is asked of it here is not what it is broken for.
fn hotp(secret: &[u8], counter: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0x0f);
    let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    format!("{:0width$}", number % 10_u32.pow(TOTP_DIGITS as u32), width = TOTP_DIGITS)
}

/// New recovery codes as people write them down, and their hashes.
pub(super) fn new_recovery_codes() -> Result<(Vec<String>, Vec<String>)> {
    let mut codes = Vec::new();
    for _ in 0..RECOVERY_CODES {
        let code = base32(&*random::<RECOVERY_BYTES>()?);
        codes.push(code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"));
    }
    let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
    Ok((codes, hashes))
}

/// The hash of a recovery code, however its groups are set apart.
pub(super) fn recovery_hash(code: &str) -> String {
    let symbols: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    text(digest(&SHA256, symbols.to_ascii_uppercase().as_bytes()).as_ref())
}

/// A new bearer secret.
pub(super) fn new_secret(prefix: &str) -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(format!("{prefix}{}", text(&*random::<32>()?))))
}

/// What finds a bearer secret in the ledger. It is random, so one fast hash hides it, and the time that a look for its
/// hash takes tells nothing of it.
pub(super) fn secret_hash(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// A new name for a token, which is no secret.
pub(super) fn new_id() -> Result<String> {
    Ok(base32(&*random::<5>()?).to_ascii_lowercase())
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom.fill(&mut *bytes)?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// RFC 4648 without padding, of whole groups of five bytes.
fn base32(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut symbols = String::new();
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        (0..8).rev().for_each(|at| symbols.push(char::from(SYMBOLS[(bits >> (5 * at) & 31) as usize])));
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Its table has eight digits; six are the last of them.
        let secret = text(b"12345678901234567890");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp_step(&secret, code, at(seconds), 0), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_taken_a_step_early_or_late_and_once() {
        let secret = text(b"12345678901234567890");
        let (code, step) = ("081804", 1_111_111_109 / 30);
        for (seconds, is_taken) in [(-60, false), (-59, true), (0, true), (30, true), (31, false)] {
            let now = at(1_111_111_109_u64.checked_add_signed(seconds).unwrap());
            assert_eq!(totp_step(&secret, code, now, 0), is_taken.then_some(step), "{seconds}");
        }
        assert_eq!(totp_step(&secret, code, at(1_111_111_109), step), None);
        for wrong in ["", "081805", "81804", "0818040", "８１８０４０"] {
            assert_eq!(totp_step(&secret, wrong, at(1_111_111_109), 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_password_is_told_from_others_and_from_nobodys() {
        let hashed = hash_password("correct horse battery").unwrap();
        assert!(is_password(Some(&hashed), "correct horse battery"));
        assert!(!is_password(Some(&hashed), "correct horse batterY"));
        assert!(!is_password(None, "correct horse battery"));
        assert_ne!(hash_password("correct horse battery").unwrap().hash, hashed.hash, "each has a salt");
        let greedy = Password { memory: u32::MAX, ..hashed };
        assert!(!is_password(Some(&greedy), "correct horse battery"));
        for refused in ["eleven char", &"x".repeat(1025)] {
            assert!(matches!(hash_password(refused), Err(Failure::Usage(text)) if !text.contains(refused)));
        }
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_typed() {
        let (codes, hashes) = new_recovery_codes().unwrap();
        assert_eq!((codes.len(), codes[0].len()), (10, 19), "{codes:?}");
        let typed = codes[3].to_lowercase().replace('-', " ");
        assert_eq!(recovery_hash(&typed), hashes[3]);
        assert_ne!(hashes[3], hashes[4]);
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let (typed, link) = totp_for_people(&text(b"12345678901234567890"), "jane", "My App");
        assert_eq!(typed, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(link, format!("otpauth://totp/My%20App:jane?secret={typed}&issuer=My%20App"));
    }
}
