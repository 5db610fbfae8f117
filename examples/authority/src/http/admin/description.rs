//! `GET /v1/admin/openapi.json`: the description of the calls for administration, made from the handlers.
//!
//! `examples/authority/openapi-admin.json` is a copy for people and tools. After a change of a handler:
//! `NODELOCK_WRITE_OPENAPI=1 cargo test -p nodelock-authority openapi`.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use utoipa::{
    IntoResponses, OpenApi, ToSchema as _,
    openapi::{
        self, ContentBuilder, HeaderBuilder, Ref, RefOr, ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::super::{description::Seconds, problem::Details};

type Responses = BTreeMap<String, RefOr<openapi::Response>>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "nodelock licensing authority: administration",
        version = "1",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        description = "What the vendor's people and programs call, on a listener of its own. Every call but the first sign-in \
                       wants a token in the header `Authorization: Bearer`: a session's, or a program's that `authority \
                       token new` made. What a role or a scope may do is one table (docs/DESIGN.md, Rights); the rest is \
                       403 and noted in the audit. What is out of reach, such as another product's license for a token of \
                       one product, is answered as if it were not there. A call that changes something names itself in \
                       `Idempotency-Key`: made again within a week, by the same token, it does nothing and gets the same \
                       answer.",
    ),
    servers((url = "/")),
    components(schemas(Details)),
)]
struct Head;

const BEARER: &str = "bearer";

/// What the description begins with; routers add their routes to it.
pub(super) fn head() -> openapi::OpenApi {
    let mut head = Head::openapi();
    head.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    let components = head.components.get_or_insert_default();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(BEARER, scheme);
    for (_, name, description, _) in SHARED {
        let mut problem = problem(description);
        if name == BUSY || name == TOO_MANY {
            let schema = <Seconds as utoipa::PartialSchema>::schema();
            let wait = HeaderBuilder::new().schema(Some(schema)).description(Some("Seconds to wait."));
            problem.headers.insert("Retry-After".to_owned(), wait.build().into());
        }
        components.responses.insert(name.to_owned(), problem.into());
    }
    head
}

/// Which calls a refusal is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    All,
    /// Those that want a credential.
    Bearers,
    /// Those with a body.
    Bodies,
    /// Those that change something.
    Acts,
    /// Those that only look, and name what they look for.
    Reads,
    /// Those that change what somebody has seen.
    Based,
}

/// The refusals that calls share: the status, the name in the description, what it means, and which calls they are for.
const SHARED: [(u16, &str, &str, For); 17] = [
    (
        400,
        "BadBody",
        "Not JSON as described, or a value that cannot be. Codes: `malformed`, `invalid-input`.",
        For::Bodies,
    ),
    (401, "Unauthenticated", "No valid token. Codes: `unauthenticated`.", For::Bearers),
    (403, "Forbidden", "Not within the rights. Codes: `forbidden`, `quota-used-up`.", For::Bearers),
    (404, "NotFound", NOT_FOUND, For::Acts),
    (
        409,
        "Conflict",
        "Not as things are. Codes: `order-differs`, `ambiguous-order`, `void`, `key-in-use`, `key-not-kept`, \
         `vault-missing`, `not-mailed`, `customer-there`, `erased`, \
         `account-exists`, `ambiguous-seat`, `not-held`, `no-free-seat`, `answered-before`.",
        For::Acts,
    ),
    (410, "Gone", "That seat is over. Codes: `given-up`, `revoked`, `request-cancelled`.", For::Acts),
    (
        422,
        "KeyReused",
        "Something else was asked under that `Idempotency-Key`. Codes: `key-reused`.",
        For::Acts,
    ),
    (400, "BadRead", "An id, filter, cursor or limit in another form. Codes: `malformed`.", For::Reads),
    (404, "NothingFound", NOT_FOUND, For::Reads),
    (412, "Superseded", "It was changed meanwhile. Codes: `superseded`.", For::Based),
    (428, "NotBased", "`If-Match` is missing.", For::Based),
    (408, "TooSlow", "The body took too long to come.", For::Bodies),
    (413, "TooLarge", "The body is too long. Codes: `too-large`.", For::Bodies),
    (415, "NotJson", "`Content-Type: application/json` is expected.", For::Bodies),
    (429, TOO_MANY, "Too many wrong tokens from here. Codes: `too-many-attempts`.", For::Bearers),
    (500, "Failed", "The authority failed; nothing was changed. Codes: `server-failed`.", For::All),
    (503, BUSY, "Too much at a time. Codes: `server-busy`.", For::All),
];
/// What is out of reach is answered the same as what is not there.
const NOT_FOUND: &str = "No such thing within reach. Codes: `unknown-license`, `unknown-seat`, `unknown-product`, \
                         `unknown-customer`, `unknown-order`, `no-such-key`, `unknown-account`, `unknown-credential`, \
                         `unknown-webhook`.";
const BUSY: &str = "Busy";
const TOO_MANY: &str = "TooManyAttempts";

fn problem(description: &str) -> openapi::Response {
    let details = ContentBuilder::new().schema(Some(Ref::from_schema_name(Details::name()))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", details).build()
}

fn shared(of: &[For]) -> Responses {
    let wanted = SHARED.iter().filter(|(_, _, _, calls)| of.contains(calls));
    wanted.map(|(status, name, ..)| (status.to_string(), Ref::from_response_name(*name).into())).collect()
}

/// What any call with a token may be answered beside its own.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> Responses {
        shared(&[For::All, For::Bearers])
    }
}

/// What any call with a body may be answered beside its own.
pub(super) struct BodyRefusals;

impl IntoResponses for BodyRefusals {
    fn responses() -> Responses {
        shared(&[For::All, For::Bodies])
    }
}

/// What any call that changes something may be answered beside its own.
pub(super) struct ActRefusals;

impl IntoResponses for ActRefusals {
    fn responses() -> Responses {
        shared(&[For::All, For::Bearers, For::Bodies, For::Acts])
    }
}

/// What a call that only looks may be answered beside its own.
pub(super) struct ReadRefusals;

impl IntoResponses for ReadRefusals {
    fn responses() -> Responses {
        shared(&[For::Reads])
    }
}

/// What a change of what somebody has seen may be answered beside its own.
pub(super) struct BasedRefusals;

impl IntoResponses for BasedRefusals {
    fn responses() -> Responses {
        shared(&[For::Based])
    }
}

/// As it is served and committed.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let described = super::calls().into_openapi();
    described.to_pretty_json().expect("a description is made of texts and numbers") + "\n"
});

/// This description
#[utoipa::path(
    get,
    path = "/v1/admin/openapi.json",
    operation_id = "admin_openapi",
    security(()),
    responses((status = 200, description = "It.", body = Object)),
)]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    #[test]
    fn the_committed_openapi_file_of_the_administration_is_what_the_handlers_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi-admin.json");
        if env::var_os("NODELOCK_WRITE_OPENAPI").is_some() {
            fs::write(&path, super::TEXT.as_str()).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap();
        assert!(
            committed == *super::TEXT,
            "openapi-admin.json is out of date: run NODELOCK_WRITE_OPENAPI=1 cargo test -p nodelock-authority openapi"
        );
    }
}
