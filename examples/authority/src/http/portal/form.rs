//! Reading what a page's form sends: `multipart/form-data`, which carries texts and files alike.

use std::{future::poll_fn, pin::Pin};

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{FromRequest as _, Multipart, Request},
    http::{StatusCode, header},
};
use nodelock::ErrorKind;

use crate::http::{BODY_LIMIT, device::BODY_TIME, problem::Problem};

/// As many fields as a form of ours can have: a license and the receipts of all seats that one store may hold.
const MOST_FIELDS: usize = 200;
/// What is too large is still read for a while and dropped: most browsers show no page while they cannot get rid of
/// their file.
const MOST_DROPPED: usize = 16 * 1024 * 1024;

/// The fields of a form, in order. What a file is called is of no interest.
pub(super) struct Form(Vec<(String, Bytes)>);

impl Form {
    pub(super) async fn read(request: Request) -> Result<Self, Problem> {
        tokio::time::timeout(BODY_TIME, read(request))
            .await
            .map_err(|_| Problem::http(StatusCode::REQUEST_TIMEOUT))?
    }

    /// The values of the fields of that name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| &value[..])
    }

    /// A text that somebody typed, as it was typed; empty if the form has no such field.
    pub(super) fn text(&self, name: &str) -> Result<String, Problem> {
        let value = self.all(name).next().unwrap_or_default();
        let text = str::from_utf8(value).map_err(|_| Problem::malformed("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// A file; None when none was chosen.
    pub(super) fn file(&self, name: &str) -> Option<&[u8]> {
        self.all(name).find(|value| !value.is_empty())
    }
}

async fn read(request: Request) -> Result<Form, Problem> {
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data")) {
        return Err(Problem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = read_body(body).await?;
    let cut = |_| Problem::http(StatusCode::BAD_REQUEST);
    let request = Request::from_parts(parts, Body::from(body));
    let mut multipart =
        Multipart::from_request(request, &()).await.map_err(|_| Problem::http(StatusCode::BAD_REQUEST))?;
    let mut fields = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(cut)? {
        if fields.len() == MOST_FIELDS {
            return Err(Problem::of(ErrorKind::TooLarge));
        }
        let name = field.name().unwrap_or_default().to_owned();
        fields.push((name, field.bytes().await.map_err(cut)?));
    }
    Ok(Form(fields))
}

async fn read_body(mut body: Body) -> Result<Vec<u8>, Problem> {
    let (mut bytes, mut dropped) = (Vec::new(), 0);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Problem::http(StatusCode::BAD_REQUEST))?;
        let Ok(data) = frame.into_data() else { continue };
        if dropped == 0 && bytes.len() + data.len() <= BODY_LIMIT {
            bytes.extend_from_slice(&data);
        } else {
            dropped += data.len();
            bytes = Vec::new();
            if dropped > MOST_DROPPED {
                break;
            }
        }
    }
    if dropped > 0 { Err(Problem::of(ErrorKind::TooLarge)) } else { Ok(bytes) }
}
