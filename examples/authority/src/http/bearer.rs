//! The credential that a request brings.

use axum::http::{HeaderMap, header};
use zeroize::Zeroizing;

/// The token of the header `Authorization`, which is the only place for one in a call: an address ends up in logs, and
/// a cookie is sent along by pages of others. Pages of the console have a cookie, and forms with a token of their own.
/// None where there is no such header, more than one, or one in another form.
pub(super) fn token(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then(|| Zeroizing::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_header_of_one_form_is_read_and_nothing_else() {
        let read = |values: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            token(&headers).map(|token| token.to_string())
        };
        assert_eq!(read(&[b"Bearer nlt_a-b_c"]).as_deref(), Some("nlt_a-b_c"));
        assert_eq!(read(&[b"bearer x"]).as_deref(), Some("x"));
        for refused in [
            vec![],
            vec![&b"Bearer"[..]],
            vec![b"Bearer "],
            vec![b"Bearer a b"],
            vec![b"Bearer  a"],
            vec![b"Basic eDp5"],
            vec![b"Bearer \xff"],
            vec![b"Bearer a", b"Bearer a"],
        ] {
            assert_eq!(read(&refused), None, "{refused:?}");
        }
    }
}
