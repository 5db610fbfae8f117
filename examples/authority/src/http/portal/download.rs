//! A document as a file.

use axum::{
    extract::{Request, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use nodelock::{DeactivationReceipt, ErrorKind, License, Revocation};

use super::{
    form::Form,
    notice::{Document, LICENSE, RECEIPT, REVOCATION},
    page,
    words::Task,
};
use crate::http::{Server, Shared, problem::Problem};

/// `POST /download`: the license and receipts, or the revocation, that a page showed, as a file.
pub(super) async fn download(State(server): Shared, request: Request) -> Response {
    match document(&server, request).await {
        Ok(document) => {
            let disposition = format!("attachment; filename=\"{}\"", document.file);
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CONTENT_DISPOSITION, &disposition),
            ];
            (headers, document.text).into_response()
        }
        Err(problem) => page::refused(&problem, Task::Download),
    }
}

/// What carries our own signature: nothing else is handed out under our name.
async fn document(server: &Server, request: Request) -> Result<Document, Problem> {
    let form = Form::read(request).await?;
    let roots = &server.service.roots();
    let foreign = |_| Problem::of(ErrorKind::Malformed);
    if let Some(input) = form.all(REVOCATION).next() {
        return Ok(Document::from(&Revocation::verify(input, roots).map_err(foreign)?));
    }
    let license = form.all(LICENSE).next().map(|input| License::verify(input, roots));
    let license = license.transpose().map_err(foreign)?;
    let receipts = form.all(RECEIPT).map(|input| DeactivationReceipt::verify(input, roots));
    let receipts: Vec<_> = receipts.collect::<Result<_, _>>().map_err(foreign)?;
    Document::new(license.as_ref(), &receipts).ok_or_else(|| Problem::of(ErrorKind::Malformed))
}
