//! Who looks at a page: somebody who has signed in, by a cookie that only this server reads.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{Random as _, SystemRandom};
use ring::hmac;
use zeroize::Zeroizing;

use super::{
    super::{
        super::{Server, peer::Peer, problem::Problem},
        Caller,
        lists::{decoded, members},
    },
    ENTRIES, failures,
    view::{Cell, Content, Entry, Page},
    words::{ENGLISH, Words, of_language},
};
use crate::{
    domain::{
        CustomerId, Who,
        rights::{Act, Role, ask},
    },
    failure::Failure,
};

/// The name has `__Host-` before it: no other website, subdomain or path can set it.
const COOKIE: &str = "__Host-nodelock-console";
/// A link in a mail or ticket leads to its page (`Lax`); a form of another website brings no cookie along.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
/// As long as any address of ours.
const LONGEST_NEXT: usize = 2048;

/// What a page comes to, or why there is none.
pub(super) type Shown = Result<Content, Problem>;

/// Somebody who has signed in.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) server: Arc<Server>,
    pub(super) caller: Caller,
    pub(super) words: &'static Words,
    name: String,
    role: Role,
    /// Where the page is.
    path: String,
}

/// What a page is asked for: its address, taken apart.
#[derive(Default)]
pub(super) struct Asked {
    params: Vec<(String, String)>,
    members: Vec<(String, String)>,
    /// The address itself, path and query.
    pub(super) address: String,
}

impl Asked {
    /// A part of the path.
    pub(super) fn part(&self, name: &str) -> &str {
        value(&self.params, name).unwrap_or_default()
    }

    /// What the query says first under a name; empty if nothing.
    pub(super) fn says(&self, name: &str) -> &str {
        value(&self.members, name).unwrap_or_default()
    }

    /// All that the query says under a name.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.members.iter().filter(move |(of, _)| of == name).map(|(_, value)| &**value)
    }

    /// The same page from another place on.
    pub(super) fn after(&self, next: &str) -> String {
        let others = self
            .members
            .iter()
            .filter(|(name, value)| name != "after" && name != "done" && !value.is_empty());
        let others = others.map(|(name, value)| (&**name, &**value));
        let path = self.address.split('?').next().unwrap_or_default();
        address(path, others.chain([("after", next)]))
    }
}

fn value<'a>(of: &'a [(String, String)], name: &str) -> Option<&'a str> {
    of.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
}

impl FromRequestParts<Arc<Server>> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Response> {
        let words = language(&parts.headers);
        let wrong = |problem: Problem| failures::page(words, &problem);
        let params = RawPathParams::from_request_parts(parts, server).await;
        let params = params.map_err(|_| wrong(Problem::http(StatusCode::NOT_FOUND)))?;
        let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let read = |(name, value): (&str, &str)| Ok((decoded(name)?, decoded(value)?));
        let members = members(parts).map(read).collect::<Result<_, Problem>>().map_err(wrong)?;
        let address = parts.uri.path_and_query().map_or("", |address| address.as_str()).to_owned();
        Ok(Self { params, members, address })
    }
}

impl FromRequestParts<Arc<Server>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Response> {
        let words = language(&parts.headers);
        let wrong = |problem: Problem| failures::page(words, &problem);
        // Whoever only looks comes back to the page after signing in.
        let next = match parts.method.is_safe() {
            true => parts.uri.path_and_query().map_or("", |address| address.as_str()).to_owned(),
            false => String::new(),
        };
        let peer = Peer::from_request_parts(parts, server).await.map_err(wrong)?;
        let Some(secret) = cookie(&parts.headers) else { return Err(to_sign_in(&next)) };
        let now = peer.occasion().time;
        let occasion = match server.service.authenticate(&secret, peer.0, now).await {
            Ok(occasion) => occasion,
            Err(Failure::Unauthenticated | Failure::PeerMustWait(_)) => return Err(to_sign_in(&next)),
            Err(failure) => return Err(wrong(failure.into())),
        };
        // PostgreSQL knows no texts with that letter.
        if parts.uri.path_and_query().is_some_and(|address| address.as_str().contains("%00")) {
            return Err(wrong(Problem::http(StatusCode::NOT_FOUND)));
        }
        let caller = Caller { occasion, secret };
        // A program's token is no person.
        let Some(Who::Account { name, role }) = caller.who() else { return Err(to_sign_in(&next)) };
        let (name, role) = (name.clone(), *role);
        Ok(Self { server: server.clone(), caller, words, name, role, path: parts.uri.path().to_owned() })
    }
}

impl Visitor {
    /// Whether an act is within the rights, with everything or with a part of it.
    pub(super) fn may(&self, act: Act) -> bool {
        ask(&self.caller.occasion, act).is_ok()
    }

    /// The same with everything alone.
    pub(super) fn may_all(&self, act: Act) -> bool {
        ask(&self.caller.occasion, act).is_ok_and(|asked| asked.whole().is_ok())
    }

    /// A customer, with the way there for whoever may go it.
    pub(super) fn customer(&self, id: CustomerId) -> Cell {
        let cell = Cell::code(id.to_string());
        if self.may_all(Act::ShowLicenses) { cell.to(format!("/console/customers/{id}")) } else { cell }
    }

    pub(super) fn who(&self) -> (&str, Role) {
        (&self.name, self.role)
    }

    /// Fails where an act is not within the rights, which is noted.
    pub(super) async fn must(&self, act: Act) -> Result<(), Problem> {
        Ok(self.server.service.may(&self.caller.occasion, act).await?)
    }

    /// What only this server can have written into a page of this session, for a purpose.
    fn seal(&self, purpose: &str, of: &[&str]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.caller.secret.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        for part in [purpose].iter().chain(of) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..16])
    }

    /// What tells a form of this session's pages from one that somebody else made up.
    pub(super) fn token(&self) -> String {
        self.seal("form", &[])
    }

    /// Whether a form is of this session's pages.
    pub(super) fn is_ours(&self, token: &str) -> bool {
        bool::from(subtle::ConstantTimeEq::ct_eq(self.token().as_bytes(), token.as_bytes()))
    }

    /// A page that says what was done, once: nobody else can have it said.
    pub(super) fn done(&self, page: &str, what: &str) -> String {
        let seal = self.seal("done", &[page, what]);
        address(page, [("done", &*format!("{what}.{seal}"))])
    }

    /// What was done just now, if the address says so and it is true.
    pub(super) fn was_done<'a>(&self, asked: &'a Asked) -> Option<&'a str> {
        let (what, seal) = asked.says("done").rsplit_once('.')?;
        (self.seal("done", &[&self.path, what]) == seal).then_some(what)
    }

    /// The page of what a handler came to.
    pub(super) fn answer(&self, shown: Shown) -> Response {
        let content = match shown {
            Ok(content) => content,
            Err(problem) => return self.refused(&problem),
        };
        let is_shown = |act, whole: bool| if whole { self.may_all(act) } else { self.may(act) };
        let entries = ENTRIES.iter().filter(|(_, _, act, whole)| is_shown(*act, *whole));
        let entries = entries.map(|(address, name, ..)| Entry {
            address,
            name: name(self.words),
            is_here: self.path == *address || self.path.starts_with(&format!("{address}/")),
        });
        let who = Some((self.name.clone(), self.role.name()));
        let page = Page {
            words: self.words,
            title: &content.title,
            blocks: &content.blocks,
            entries: entries.collect(),
            who,
            token: &self.token(),
            once: &once(),
        };
        failures::rendered(&page, content.status)
    }

    /// The page of a refusal.
    fn refused(&self, problem: &Problem) -> Response {
        let (status, code) = (problem.status(), problem.code());
        let response = self.answer(Ok(Content {
            status,
            title: self.words.not_done.to_owned(),
            blocks: vec![failures::notice(self.words, problem).block()],
        }));
        failures::marked(response, code)
    }
}

/// A name for a form, so that sending it again does nothing.
fn once() -> String {
    let mut bytes = [0; 16];
    // Without randomness nothing is signed either; two forms of one name would be told apart by what they say.
    let _ = SystemRandom.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A page before anybody has signed in.
pub(super) fn page_for_strangers(words: &'static Words, content: &Content) -> Response {
    let (entries, who) = (Vec::new(), None);
    let page =
        Page { words, title: &content.title, blocks: &content.blocks, entries, who, token: "", once: "" };
    failures::rendered(&page, content.status)
}

/// The language that a browser asks for first of those that there are.
pub(super) fn language(headers: &HeaderMap) -> &'static Words {
    let asked =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut wanted: Vec<(&str, u32)> = asked.split(',').filter_map(weighed).collect();
    // It is stable: of two that are wanted as much the first is taken.
    wanted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    wanted.iter().find_map(|(language, _)| of_language(language)).unwrap_or(&ENGLISH)
}

/// A language, and how much it is wanted, in thousandths.
fn weighed(part: &str) -> Option<(&str, u32)> {
    let mut parts = part.split(';');
    let language = parts.next()?.trim().split('-').next()?;
    let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
    let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
    let is_weight = (0.0..=1.0).contains(&weight) && weight > 0.0;
    is_weight.then_some((language, (weight * 1000.0) as u32))
}

/// The token of the session's cookie; none where there is no such cookie, or more than one.
fn cookie(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    let (Some(value), None) = (ours.next(), ours.next()) else { return None };
    let is_token = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| Zeroizing::new(value.to_owned()))
}

/// The header that gives a browser its session.
pub(super) fn session(token: &str) -> [(HeaderName, HeaderValue); 1] {
    let value = HeaderValue::try_from(format!("{COOKIE}={token}; {ATTRIBUTES}"));
    [(header::SET_COOKIE, value.expect("a token is of visible characters"))]
}

/// The header that has a browser forget its session.
pub(super) fn no_session() -> [(HeaderName, HeaderValue); 1] {
    let value = HeaderValue::try_from(format!("{COOKIE}=; {ATTRIBUTES}; Max-Age=0"));
    [(header::SET_COOKIE, value.expect("it is made of visible characters"))]
}

/// Leads to the page where people sign in, and from there back to `next`.
pub(super) fn to_sign_in(next: &str) -> Response {
    let next = Some(next).filter(|next| is_page(next) && *next != "/console");
    let address = address("/console/sign-in", next.map(|next| ("next", next)));
    (no_session(), see_other(&address)).into_response()
}

/// Whether an address is a page of the console: nobody is led anywhere else.
pub(super) fn is_page(address: &str) -> bool {
    let rest = address.strip_prefix("/console");
    let is_below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    is_below && address.len() <= LONGEST_NEXT && address.bytes().all(is_plain) && !address.contains("//")
}

/// Leads to another page, which is asked for with GET.
pub(super) fn see_other(address: &str) -> Response {
    let address = if is_page(address) { address } else { "/console" };
    let value = HeaderValue::try_from(address).expect("an address of ours is of visible characters");
    (StatusCode::SEE_OTHER, [(header::LOCATION, value)]).into_response()
}

/// An address with a query.
pub(super) fn address<'a>(path: &str, members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if members.is_empty() { path.to_owned() } else { format!("{path}?{}", members.join("&")) }
}

/// A value in the form of addresses, for a query and for a part of a path.
pub(super) fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            other => text += &format!("%{other:02X}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_website() {
        for page in ["/console", "/console/seats?filter=a%20b", "/console/licenses/0123"] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "",
            "/",
            "//evil.example",
            "/consoles",
            "https://evil.example/console",
            "/console//evil.example",
            "/console\\evil",
            "/console/a\r\nSet-Cookie: a=b",
            "/console/ä",
            "console",
            "/\\evil.example",
        ] {
            assert!(!is_page(other), "{other}");
            assert_eq!(see_other(other).headers()[header::LOCATION], "/console");
        }
    }

    #[test]
    fn a_browser_gets_the_language_that_it_wants_most_of_those_that_there_are() {
        let of = |asked: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(asked));
            language(&headers).lang
        };
        for (asked, expected) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("fr;q=1, en;q=0.4, de;q=0.5", "de"),
            ("de;q=0, en", "en"),
            ("de;q=x, en;q=0.1", "en"),
            ("*", "en"),
        ] {
            assert_eq!(of(asked), expected, "{asked}");
        }
    }

    #[test]
    fn a_value_goes_through_an_address_unchanged() {
        for value in ["", "a b", "a&b=c", "ä/ö?#%", "\"<script>\"", "label~\"x\""] {
            assert_eq!(decoded(&encoded(value)).ok().as_deref(), Some(value));
        }
    }
}
