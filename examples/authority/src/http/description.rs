//! `GET /openapi.json`: the description of the calls, made from the handlers.
//!
//! `examples/authority/openapi.json` is a copy for people and tools. After a change of a handler:
//! `NODELOCK_WRITE_OPENAPI=1 cargo test -p nodelock-authority openapi`.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use utoipa::{
    IntoResponses, OpenApi, PartialSchema, ToSchema,
    openapi::{
        self, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder,
        schema::{Schema, SchemaType, Type},
    },
};

use super::{device, endpoints, problem::Details};

type Responses = BTreeMap<String, RefOr<openapi::Response>>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "nodelock licensing authority",
        version = "1",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        description = "The online calls of a nodelock client. Requests and replies are signed messages; JSON only \
                       carries them, so no credentials are needed and nobody on the way can forge an outcome. \
                       Everything is idempotent: the same message again gets the same answer. Members that a server \
                       or client does not know are passed over. Every answer has a header `X-Request-Id` that names \
                       it in the authority's log: the request's own, if that is of at most 64 letters, digits, dots, \
                       dashes and underscores, or else a new one.",
    ),
    servers((url = "/")),
    components(schemas(Details)),
)]
struct Head;

/// What the description begins with; routers add their routes to it.
pub(super) fn head() -> openapi::OpenApi {
    let mut head = Head::openapi();
    // Nothing here asks who is calling.
    head.security = Some(Vec::new());
    let components = head.components.get_or_insert_default();
    for (_, name, description) in SHARED {
        let mut problem = problem(description);
        if name == BUSY {
            let wait =
                HeaderBuilder::new().schema(Some(Seconds::schema())).description(Some("Seconds to wait."));
            problem.headers.insert("Retry-After".to_owned(), wait.build().into());
        }
        components.responses.insert(name.to_owned(), problem.into());
    }
    head
}

/// The refusals that all calls with a message share: the status, the name in the description, and what it means.
const SHARED: [(u16, &str, &str); 6] = [
    (
        400,
        "BadMessage",
        "Not JSON as described, or not a message of the kind that is expected. Codes: `malformed`, `wrong-type`, \
         `unsupported-version`, `critical-extension`, `weak-key`, `several-messages`.",
    ),
    (408, "TooSlow", "The body took too long to come."),
    (413, "TooLarge", "Longer than any message. Codes: `too-large`."),
    (415, "NotJson", "`Content-Type: application/json` is expected."),
    (500, "Failed", "The authority failed; nothing was changed. Try again later. Codes: `server-failed`."),
    (503, BUSY, "Too much at a time. Codes: `server-busy`."),
];
const BUSY: &str = "Busy";

fn problem(description: &str) -> openapi::Response {
    let details = ContentBuilder::new().schema(Some(Ref::from_schema_name(Details::name()))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", details).build()
}

fn shared(wanted: impl Fn(&str) -> bool) -> Responses {
    let wanted = SHARED.iter().filter(|(_, name, _)| wanted(name));
    wanted.map(|(status, name, _)| (status.to_string(), Ref::from_response_name(*name).into())).collect()
}

/// What any call that carries a message may be answered beside its own.
pub(super) struct MessageProblems;

impl IntoResponses for MessageProblems {
    fn responses() -> Responses {
        shared(|_| true)
    }
}

/// Too much at a time.
pub(super) struct Busy;

impl IntoResponses for Busy {
    fn responses() -> Responses {
        shared(|name| name == BUSY)
    }
}

/// The value of `Retry-After`.
pub(super) struct Seconds;

impl PartialSchema for Seconds {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).minimum(Some(1)).into()
    }
}

impl ToSchema for Seconds {}

/// As it is served and committed.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let described = endpoints(device::routes()).into_openapi();
    described.to_pretty_json().expect("a description is made of texts and numbers") + "\n"
});

/// This description
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    responses((status = 200, description = "It.", body = Object)),
)]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, fs, path::Path};

    use nodelock::Timestamp;
    use serde_json::Value;

    use super::super::portal;
    use crate::domain::{
        Actor, Occasion,
        rights::{self, Act},
    };

    /// What each public call asks the table of rights for; none for what tells nothing of anybody.
    const CALLS: [(&str, Option<Act>); 7] = [
        ("activate", Some(Act::Activate)),
        ("check_in", Some(Act::CheckIn)),
        ("deactivate", Some(Act::Redeem)),
        ("health", None),
        ("openapi", None),
        ("preflight", Some(Act::Preflight)),
        ("ready", None),
    ];
    /// The same of the portal's pages. A check-in is handed in where a request is.
    const PAGES: [(&str, &[Act]); 6] = [
        ("/", &[]),
        ("/seats", &[Act::ShowHolding]),
        ("/seats/free", &[Act::CustomerRelease]),
        ("/redeem", &[Act::Redeem]),
        ("/activate", &[Act::Activate, Act::CheckIn]),
        // What this authority signed itself.
        ("/download", &[]),
    ];

    #[test]
    fn each_public_call_and_page_has_a_rule_and_strangers_may_do_no_more() {
        let described: Value = serde_json::from_str(&super::TEXT).unwrap();
        let operations =
            described["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
        let names: BTreeSet<&str> =
            operations.map(|(_, call)| call["operationId"].as_str().unwrap()).collect();
        assert_eq!(names, CALLS.iter().map(|(name, _)| *name).collect(), "a call has no rule");
        assert_eq!(portal::pages().map(|(path, _)| path), PAGES.map(|(path, _)| path), "a page has no rule");
        let calls = CALLS.iter().filter_map(|(_, act)| *act);
        let public: BTreeSet<Act> =
            calls.chain(PAGES.iter().flat_map(|(_, acts)| acts.iter().copied())).collect();
        let actor = Actor::Peer([192, 0, 2, 1].into());
        let stranger = Occasion { time: Timestamp::from_unix_seconds(1_790_000_000), actor };
        let allowed = Act::ALL.iter().copied().filter(|act| rights::ask(&stranger, *act).is_ok());
        assert_eq!(public, allowed.collect());
    }

    #[test]
    fn the_committed_openapi_file_is_what_the_handlers_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if env::var_os("NODELOCK_WRITE_OPENAPI").is_some() {
            fs::write(&path, super::TEXT.as_str()).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap();
        assert!(
            committed == *super::TEXT,
            "openapi.json is out of date: run NODELOCK_WRITE_OPENAPI=1 cargo test -p nodelock-authority openapi"
        );
    }
}
