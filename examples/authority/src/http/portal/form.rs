//! Reading what a page's form sends: `multipart/form-data`, which carries texts and files alike.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest as _, Multipart, Request},
    http::{StatusCode, header},
};
use nodelock::ErrorKind;

use crate::http::{
    body::{self, TooLarge, Unread},
    problem::Problem,
};

/// As many fields as a form of ours can have: a license and the receipts of all seats that one store may hold.
const MOST_FIELDS: usize = 200;

/// The fields of a form, in order. What a file is called is of no interest.
pub(in crate::http) struct Form(Vec<(String, Bytes)>);

impl Form {
    pub(in crate::http) async fn read(request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data")) {
            return Err(Problem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let incomplete = || Problem::http(StatusCode::BAD_REQUEST);
        let body = body::read(body, TooLarge::Drop).await.map_err(|unread| match unread {
            Unread::Cut => incomplete(),
            unread => unread.into(),
        })?;
        let request = Request::from_parts(parts, Body::from(body));
        let mut multipart = Multipart::from_request(request, &()).await.map_err(|_| incomplete())?;
        let mut fields = Vec::new();
        while let Some(field) = multipart.next_field().await.map_err(|_| incomplete())? {
            if fields.len() == MOST_FIELDS {
                return Err(Problem::of(ErrorKind::TooLarge));
            }
            let name = field.name().unwrap_or_default().to_owned();
            fields.push((name, field.bytes().await.map_err(|_| incomplete())?));
        }
        Ok(Self(fields))
    }

    /// The values of the fields of that name.
    pub(in crate::http) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| &value[..])
    }

    /// A text that somebody typed, as it was typed; empty if the form has no such field.
    pub(in crate::http) fn text(&self, name: &str) -> Result<String, Problem> {
        let value = self.all(name).next().unwrap_or_default();
        let text = str::from_utf8(value).map_err(|_| Problem::malformed("a text is not UTF-8"))?;
        // PostgreSQL knows no texts with that letter.
        if text.contains('\0') {
            return Err(Problem::malformed("a text has no NUL"));
        }
        Ok(text.to_owned())
    }

    /// A file; None when none was chosen.
    pub(in crate::http) fn file(&self, name: &str) -> Option<&[u8]> {
        self.all(name).find(|value| !value.is_empty())
    }
}
